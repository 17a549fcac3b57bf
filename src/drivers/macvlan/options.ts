/** Options of the macvlan and ipvlan drivers: Docker's names in, typed values out. Pure. */
import { type IpvlanFlag, type IpvlanMode, ipvlan } from '../../netlink/kinds/ipvlan.ts'
import { type MacvlanMode, macvlan } from '../../netlink/kinds/macvlan.ts'
import type { LinkKind } from '../../netlink/link.ts'
import type { NetworkSpec, PoolRecord } from '../../store/records.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import {
  badOption,
  type InterfaceOptions,
  interfaceDefaults,
  interfaceParsers,
  type OptionParsers,
  parseBoolean,
  parseNetworkOptions,
} from '../network-options.ts'

/** Two kinds of links that stand on a parent: with a hardware address of their own each, or all with the parent's. */
export type Kind = 'macvlan' | 'ipvlan'

export interface MacvlanOptions extends InterfaceOptions {
  /** The link of the host that containers stand on; '' for a dummy of the network's own, which leads nowhere. */
  readonly parent: string
  readonly mode: MacvlanMode | IpvlanMode
  /** ipvlan's alone. */
  readonly flag: IpvlanFlag
  /** Whether the host and containers reach each other. */
  readonly hostAccess: boolean
}

type Network = Pick<NetworkSpec, 'name' | 'options'>

const common: OptionParsers<MacvlanOptions> = {
  parent: (value) => ({ parent: value === '' ? '' : checkInterfaceName(value) }),
  'host-access': (value) => ({ hostAccess: parseBoolean(value) }),
  ...interfaceParsers,
}

const parsers: Readonly<Record<Kind, OptionParsers<MacvlanOptions>>> = {
  macvlan: {
    macvlan_mode: (value) => ({ mode: parseMode('macvlan', value || defaultModes.macvlan) }),
    ...common,
  },
  ipvlan: {
    ipvlan_mode: (value) => ({ mode: parseMode('ipvlan', value || defaultModes.ipvlan) }),
    ipvlan_flag: (value) => ({ flag: parseFlag(value || 'bridge') }),
    ...common,
  },
}

const modes: Readonly<Record<Kind, readonly string[]>> = {
  macvlan: ['bridge', 'private', 'vepa', 'passthru'] satisfies MacvlanMode[],
  ipvlan: ['l2', 'l3', 'l3s'] satisfies IpvlanMode[],
}
const flags: readonly string[] = ['bridge', 'private', 'vepa'] satisfies IpvlanFlag[]

const defaultModes = { macvlan: 'bridge', ipvlan: 'l2' } as const

/** Throws kind 'invalid', with Docker's sentences for parents and modes that cannot be. */
export function parseMacvlanOptions(kind: Kind, network: Network): MacvlanOptions {
  const defaults: MacvlanOptions = {
    ...interfaceDefaults,
    parent: '',
    mode: defaultModes[kind],
    flag: 'bridge',
    hostAccess: false,
  }
  const options = parseNetworkOptions(kind, network, parsers[kind], defaults)
  if (options.parent === 'lo') {
    throw badOption(`network ${network.name}: loopback interface is not a valid ${kind} parent link`)
  }
  if (options.hostAccess) refuseHostAccess(kind, network, options)
  return options
}

function parseMode(kind: Kind, value: string): MacvlanMode | IpvlanMode {
  if (modes[kind].includes(value)) return value as MacvlanMode | IpvlanMode
  throw badOption(
    `requested ${kind} mode '${value}' is not valid, '${defaultModes[kind]}' mode is the ${kind} driver default: ` +
      `there are ${modes[kind].join(', ')}`,
  )
}

function parseFlag(value: string): IpvlanFlag {
  if (flags.includes(value)) return value as IpvlanFlag
  throw badOption(
    `requested ipvlan flag '${value}' is not valid, 'bridge' is the ipvlan driver default: there are ${flags.join(', ')}`,
  )
}

/** The kernel passes packets between links of one parent in these modes alone. */
function refuseHostAccess(kind: Kind, network: Network, { mode, flag }: MacvlanOptions): void {
  const [what, value] = kind === 'macvlan' ? ['mode', mode] : ['flag', flag]
  if (value === 'bridge') return
  throw badOption(
    `network ${network.name}: host-access needs ${kind} ${what} bridge: with ${value} nothing on the parent reaches another`,
  )
}

/** The kind of link that endpoints of the network are. */
export function linkKindOf(kind: Kind, { mode, flag }: MacvlanOptions): LinkKind {
  return kind === 'macvlan' ? macvlan(mode as MacvlanMode) : ipvlan(mode as IpvlanMode, flag)
}

/**
 * The next hop of containers with an address of `pool`, which is what the user said: the network has its own routers. In ipvlan's
 * modes l3 and l3s the parent's own routes count, so that the link itself leads out. A dummy leads nowhere.
 */
export function gatewayOf(
  kind: Kind,
  network: Pick<NetworkSpec, 'name' | 'options' | 'internal'>,
  pool: PoolRecord,
): string {
  const { parent, mode } = parseMacvlanOptions(kind, network)
  if (network.internal || parent === '') return ''
  if (mode === 'l3' || mode === 'l3s') return pool.subnet.includes(':') ? '::' : '0.0.0.0'
  const name = pool.subnet.includes(':') ? 'DefaultGatewayIPv6' : 'DefaultGatewayIPv4'
  return pool.auxiliary[name] ?? pool.gateway
}

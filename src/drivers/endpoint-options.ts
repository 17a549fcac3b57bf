/** Options of single endpoints that mean the same to every driver: Docker's names in, typed values out. Pure. */
import { TsnetError } from '../errors.ts'
import type { Labels } from '../store/records.ts'
import { checkInterfaceName } from '../values/interface-name.ts'

export interface EndpointOptions {
  /** The interface's name in the container, '' for one by its number. */
  readonly interfaceName: string
  /** Below /proc/sys, the interface's name still to be filled in. */
  readonly sysctls: readonly Sysctl[]
  /** What is left for the driver. */
  readonly others: Labels
}

interface Sysctl {
  /** `net/ipv4/conf` */
  readonly directory: string
  /** `log_martians` */
  readonly name: string
  readonly value: string
}

export const interfaceNameOption = 'com.docker.network.endpoint.ifname'
export const interfaceSysctlOption = 'com.docker.network.endpoint.sysctls'

/** Throws kind 'invalid', with Docker's sentence for sysctls of something else than an interface. */
export function parseEndpointOptions(options: Labels): EndpointOptions {
  const { [interfaceNameOption]: name = '', [interfaceSysctlOption]: sysctls = '', ...others } = options
  return {
    interfaceName: name === '' ? '' : parseName(name),
    sysctls: sysctls === '' ? [] : sysctls.split(',').map(parseSysctl),
    others,
  }
}

/** The sysctls of an interface of that name, by their paths below /proc/sys. */
export function sysctlsOf(options: EndpointOptions, interfaceName: string): Labels {
  return Object.fromEntries(
    options.sysctls.map(({ directory, name, value }) => [`${directory}/${interfaceName}/${name}`, value]),
  )
}

function parseName(name: string): string {
  checkInterfaceName(name)
  // Each sandbox has its loopback; the other two are no interfaces but directories beside them in /proc/sys/net.
  if (!['lo', 'all', 'default'].includes(name)) return name
  throw bad(`interface name "${name}" is not allowed, it is none of a container's own: give another name`)
}

/** Docker's client turns options to lower case. A part with a slash or dots could lead out of the interface's directory. */
const pattern = /^net\.(ipv4|ipv6|mpls)\.(\w+)\.(?:IFNAME|ifname)\.(\w+)(?:(=)(.*))?$/s

function parseSysctl(text: string): Sysctl {
  const [, family, group, name = '', equals, value = ''] = pattern.exec(text) ?? []
  if (family === undefined) {
    throw bad(
      `unrecognised network interface sysctl '${text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    )
  }
  if (equals === undefined) throw bad(`expected sysctl '${text}' to have format name=value`)
  return { directory: `net/${family}/${group}`, name, value }
}

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-endpoint', `invalid endpoint settings: ${message}`)
}

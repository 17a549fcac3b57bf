import type { PublishedPort } from '../store/records.ts'
import { outermostCidrs, parseCidr } from '../values/cidr.ts'
import { canonicalIp } from '../values/ip.ts'
import type { PublishRule } from './rules.ts'

/** Where the container's gateway endpoint is. */
export interface PublishTarget {
  /** the endpoint's id */
  readonly owner: string
  /** the bridge */
  readonly interface: string
  /** With or without prefix length; '' for none. */
  readonly address4: string
  readonly address6: string
}

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** The rules behind published ports. A port that goes through the proxy has none. Pure. */
export function publishRules(ports: readonly PublishedPort[], target: PublishTarget): PublishRule[] {
  return ports.flatMap((port) => publishRule(port, target))
}

function publishRule(port: PublishedPort, target: PublishTarget): PublishRule[] {
  if (port.via === 'proxy') return []
  const family = port.hostAddress.includes(':') ? 6 : 4
  const [address = ''] = (family === 4 ? target.address4 : target.address6).split('/')
  const own = port.sources.filter((source) => source.includes(':') === (family === 6))
  // whoever names clients of one family only means nobody of the other
  if (address === '' || (port.sources.length > 0 && own.length === 0)) return []
  return [
    {
      kind: 'publish',
      owner: target.owner,
      family,
      mode: port.via,
      protocol: port.protocol,
      hostAddress: wildcards.has(port.hostAddress) ? '' : canonicalIp(port.hostAddress),
      hostPort: port.hostPort,
      count: port.count,
      hostInterface: port.hostInterface,
      sources: outermost(own),
      interface: target.interface,
      address,
      port: port.containerPort,
    },
  ]
}

/** None when one of them is everyone. */
function outermost(sources: readonly string[]): string[] {
  return outermostCidrs(sources).filter((text) => parseCidr(text).prefix > 0)
}

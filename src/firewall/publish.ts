import type { PublishedPort } from '../store/records.ts'
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
  return ports.filter((port) => port.via === 'dnat').flatMap((port) => publishRule(port, target))
}

function publishRule(port: PublishedPort, target: PublishTarget): PublishRule[] {
  const family = port.hostAddress.includes(':') ? 6 : 4
  const [address = ''] = (family === 4 ? target.address4 : target.address6).split('/')
  if (address === '') return []
  return [
    {
      kind: 'publish',
      owner: target.owner,
      family,
      protocol: port.protocol,
      hostAddress: wildcards.has(port.hostAddress) ? '' : port.hostAddress,
      hostPort: port.hostPort,
      count: port.count,
      interface: target.interface,
      address,
      port: port.containerPort,
    },
  ]
}

/** Names of network interfaces, derived from ids so that they can be found again without the store. */
import { TsnetError } from '../errors.ts'
import { type EndpointId, type NetworkId, shortId } from './id.ts'

/** IFNAMSIZ of <linux/if.h> is 16 with the terminating zero. */
const maxLength = 15

/** The host's end of an endpoint's veth pair: `veth` and the first 11 digits of the endpoint's id. */
export function hostVethName(endpoint: EndpointId): string {
  return `veth${endpoint.slice(0, maxLength - 4)}`
}

/** A network's bridge unless the user names it: `br-` and the short id, as in Docker. */
export function bridgeName(network: NetworkId): string {
  return `br-${shortId(network)}`
}

/** The parent of a network of macvlan or ipvlan links that was given none, as in Docker. */
export function dummyParentName(kind: 'macvlan' | 'ipvlan', network: NetworkId): string {
  return `${dummyParentPrefix(kind)}${shortId(network)}`
}

export function dummyParentPrefix(kind: 'macvlan' | 'ipvlan'): string {
  return `d${kind[0]}-`
}

/** The host's own link on such a network's parent: `msh-` or `ish-` and the first 11 digits of the network's id. */
export function shimName(kind: 'macvlan' | 'ipvlan', network: NetworkId): string {
  return `${kind[0]}sh-${network.slice(0, maxLength - 4)}`
}

/** What an endpoint's link is called on the host until another engine takes it: `tg-` and the first 12 digits of the endpoint's id. */
export function guestLinkName(endpoint: EndpointId): string {
  return `tg-${endpoint.slice(0, maxLength - 3)}`
}

/** The port of an overlay network's bridge by which other hosts are reached: `vx-` and the short id. */
export function vxlanName(network: NetworkId): string {
  return `vx-${shortId(network)}`
}

/** A daemon's device for encrypted networks: `wg-` and the daemon's mark. */
export function tunnelName(mark: string): string {
  return `wg-${mark}`.slice(0, maxLength)
}

/** What a link is called from its birth until it has its alias and its name, both in one request. */
export function bornName(id: NetworkId | EndpointId): string {
  return `ts${id.slice(0, maxLength - 2)}`
}

/**
 * Returns `name` if the kernel takes it (dev_valid_name() in net/core/dev.c), else throws kind 'invalid'. `%` is
 * refused besides, because the kernel reads it as a pattern.
 */
export function checkInterfaceName(name: string): string {
  if (name === '' || Buffer.byteLength(name) > maxLength) {
    throw bad(name, `is ${Buffer.byteLength(name)} bytes long, allowed are 1 to ${maxLength}`)
  }
  if (name === '.' || name === '..' || /[\s/:%\0]/.test(name)) {
    throw bad(name, 'is not allowed, it must not be . or .. nor contain white space, "/", ":" or "%"')
  }
  return name
}

function bad(name: string, why: string): TsnetError {
  return new TsnetError('invalid', 'bad-interface-name', `interface name ${JSON.stringify(name)} ${why}`)
}

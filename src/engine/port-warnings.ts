/** What a user should know of the ports that a new container is to publish. */
import { listAddresses } from '../netlink/address.ts'
import { listLinks } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import { ephemeralConflict, isFixed } from '../ports/choose.ts'
import type { PortBinding } from '../store/records.ts'
import { parseCidr } from '../values/cidr.ts'
import { formatPortRange } from '../values/port-range.ts'

export function warnOfPorts(bindings: readonly PortBinding[]): string[] {
  return [...bindings.flatMap(warnOfEphemeral), ...warnOfPlaces(bindings)]
}

/** An outgoing connection may have such a port just when the container starts. */
function warnOfEphemeral(binding: PortBinding): string[] {
  const { hostPort, count, protocol } = binding
  const range = isFixed(binding) ? ephemeralConflict(hostPort, count) : null
  if (range === null) return []
  const ports = formatPortRange({ first: hostPort, last: hostPort + count - 1, protocol })
  const numbers = ports.slice(0, ports.indexOf('/'))
  return [
    `host port ${ports} is one of those that outgoing connections get (${range.join('-')}): sysctl net.ipv4.ip_local_reserved_ports=${numbers} keeps it free`,
  ]
}

/** Ports wait for addresses that are not there yet; a container does not start without an interface. */
function warnOfPlaces(bindings: readonly PortBinding[]): string[] {
  const addresses = new Set(bindings.map(({ hostAddress }) => hostAddress).filter(isParticular))
  const interfaces = new Set(bindings.map(({ hostInterface }) => hostInterface).filter(Boolean))
  if (addresses.size + interfaces.size === 0) return []
  using socket = openRouteSocket()
  const own = new Set(listAddresses(socket).map(({ cidr }) => parseCidr(cidr).address))
  const links = new Set(listLinks(socket).map(({ name }) => name))
  return [
    ...[...addresses]
      .filter((address) => !own.has(address))
      .map((address) => `host has no address ${address}: ports published there are reached once it has`),
    ...[...interfaces]
      .filter((name) => !links.has(name))
      .map((name) => `host has no interface ${name}: the container cannot start before it has`),
  ]
}

/** All of 127.0.0.0/8 is the host's. */
function isParticular(address: string): boolean {
  return !['', '0.0.0.0', '::'].includes(address) && !address.startsWith('127.')
}

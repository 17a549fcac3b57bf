/** Ports as dockerd tells them to network plugins: one entry each, with the numbers of protocols. Pure. */
import { TsnetError } from '../errors.ts'
import type { PortBinding, Protocol } from '../store/records.ts'
import { type Fields, listOf, numberOf, textOf } from './fields.ts'

/** RFC 1700 */
const protocols: Readonly<Record<number, Protocol>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

const portmap = 'com.docker.network.portmap'

/** Neighbouring ports become ranges. Throws kind 'invalid'. */
export function readPorts(options: Fields): PortBinding[] {
  const single = listOf(options, portmap).map(readPort)
  const merged: PortBinding[] = []
  for (const port of single.sort((one, other) => one.containerPort - other.containerPort)) {
    const last = merged.at(-1)
    if (last !== undefined && continues(last, port)) {
      const { hostPort, hostPortEnd, count } = last
      merged[merged.length - 1] = {
        ...last,
        count: count + 1,
        hostPortEnd: hostPort === 0 ? 0 : hostPortEnd + 1,
      }
    } else merged.push(port)
  }
  return merged
}

function readPort(entry: Fields): PortBinding {
  const protocol = protocols[numberOf(entry, 'Proto')]
  const containerPort = numberOf(entry, 'Port')
  const hostPort = numberOf(entry, 'HostPort')
  if (protocol === undefined || containerPort < 1 || containerPort > 65_535 || hostPort > 65_535) {
    throw new TsnetError('invalid', 'bad-call', `${JSON.stringify(entry)} is no port`)
  }
  return {
    protocol,
    containerPort,
    hostAddress: textOf(entry, 'HostIP'),
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort,
    hostPortEnd: hostPort === 0 ? 0 : Math.max(hostPort, numberOf(entry, 'HostPortEnd')),
    count: 1,
  }
}

/** Whether a port follows a range on both sides. Ports that are still to be chosen need not stand side by side. */
function continues(range: PortBinding, port: PortBinding): boolean {
  const isFixed = (one: PortBinding): boolean =>
    one.hostPort !== 0 && one.hostPortEnd === one.hostPort + one.count - 1
  return (
    isFixed(range) &&
    isFixed(port) &&
    range.protocol === port.protocol &&
    range.hostAddress === port.hostAddress &&
    range.containerPort + range.count === port.containerPort &&
    range.hostPort + range.count === port.hostPort
  )
}

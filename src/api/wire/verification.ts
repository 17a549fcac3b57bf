import type { NetworkVerification, VerifiedPath, VerifiedRow } from '../../engine/engine.ts'
import type { NetworkVerified, VerifiedHost, VerifiedPath as WirePath } from '../schema/verification.ts'

/** Hosts and paths by name. */
export function toVerified({ network, rows, silent, warning }: NetworkVerification): NetworkVerified {
  const hosts = [...rows.map(toHost), ...silent.map(toSilent)]
  const paths = rows.flatMap((row) => row.paths.map((path) => toPath(row, path)))
  return {
    Id: network.id,
    Name: network.name,
    Warning: warning,
    Hosts: hosts.sort((one, other) => compare(one.Name, other.Name)),
    Paths: paths.sort((one, other) => compare(one.From, other.From) || compare(one.To, other.To)),
  }
}

const compare = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true })

function toHost({ node, mtu, repaired, faults, error }: VerifiedRow): VerifiedHost {
  return { Name: node, Answered: true, Error: error, Mtu: mtu, Repaired: repaired, Faults: faults }
}

function toSilent(name: string): VerifiedHost {
  return { Name: name, Answered: false, Error: '', Mtu: 0, Repaired: 0, Faults: [] }
}

function toPath(row: VerifiedRow, path: VerifiedPath): WirePath {
  const { to, container, address, sent, received, latency, mtu, error } = path
  return {
    From: row.node,
    To: to,
    State: stateOf(row.mtu, path),
    Container: container,
    Address: address,
    Sent: sent,
    Received: received,
    Latency: latency,
    PathMtu: mtu,
    Error: error,
  }
}

function stateOf(wanted: number, { sent, received, mtu }: VerifiedPath): string {
  if (sent === 0) return 'unknown'
  if (received === 0) return 'unreachable'
  if (mtu !== wanted) return 'mtu'
  return received < sent ? 'lossy' : 'ok'
}

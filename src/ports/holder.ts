/** Who holds a port, for error messages: found by walking /proc (proc_pid_fd(5), proc_net(5)), so only on that path. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Protocol } from '../store/records.ts'

/** States of sockets (include/net/tcp_states.h). */
const ESTABLISHED = '01'
const LISTEN = '0A'

export interface Holder {
  /** `nginx, process 123`, or '' when it cannot be found out. */
  readonly name: string
  /** An outgoing connection that happens to have the port will let it go by itself. */
  readonly isTransient: boolean
}

/** Who has a port that cannot be bound. */
export function findHolder(protocol: Protocol, port: number): Holder {
  const sockets = ['', '6'].flatMap((suffix) => findSockets(`/proc/net/${protocol}${suffix}`, port))
  const server = sockets.find(({ state }) => isServer(protocol, state))
  const inode = (server ?? sockets[0])?.inode ?? '0'
  const name = inode === '0' ? '' : nameOwner(inode)
  if (server !== undefined || sockets.length === 0) return { name, isTransient: false }
  return { name: `an outgoing connection${name === '' ? '' : ` of ${name}`}`, isTransient: true }
}

/** A datagram socket that is not connected waits for anybody, and what listens too. */
function isServer(protocol: Protocol, state: string): boolean {
  return protocol === 'udp' ? state !== ESTABLISHED : state === LISTEN
}

interface BoundSocket {
  readonly state: string
  /** '0' when no process has it any more */
  readonly inode: string
}

/** The sockets that have a local port, in one of the kernel's lists. */
function findSockets(list: string, port: number): BoundSocket[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  return readOrEmpty(list)
    .split('\n')
    .filter((line) => line.includes(wanted))
    .flatMap((line) => {
      const [, local = '', , state = '', , , , , , inode = '0'] = line.trim().split(/\s+/)
      return `${local} `.endsWith(wanted) ? [{ state, inode }] : []
    })
}

function nameOwner(inode: string): string {
  const pid = readdirOrNone('/proc').find(
    (name) => /^\d+$/.test(name) && holdsSocket(name, `socket:[${inode}]`),
  )
  return pid === undefined ? '' : `${readOrEmpty(`/proc/${pid}/comm`).trim()}, process ${pid}`
}

function holdsSocket(pid: string, socket: string): boolean {
  const directory = `/proc/${pid}/fd`
  return readdirOrNone(directory).some((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`) === socket
    } catch {
      return false
    }
  })
}

/** Processes end while one looks. */
function readdirOrNone(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

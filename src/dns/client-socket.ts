import { isIPv6 } from 'node:net'
import type { Fd } from '../sys/fd.ts'
import { inNetns } from '../sys/netns.ts'
import { openInetSocket } from '../sys/socket.ts'

/** A socket that reaches `server` the way programs in `netns` do, on a port of the kernel's choice. Throws SyscallError. */
export function openClientSocket(netns: Fd, server: string, type: 'datagram' | 'stream'): Fd {
  const family = isIPv6(server) ? 6 : 4
  return inNetns(netns, () =>
    openInetSocket({ family, type, address: family === 6 ? '::' : '0.0.0.0', port: 0 }),
  )
}

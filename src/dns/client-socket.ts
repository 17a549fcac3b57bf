import { isIPv6 } from 'node:net'
import type { Fd } from '../sys/fd.ts'
import { inNetns } from '../sys/netns.ts'
import { connectSocket, openInetSocket } from '../sys/socket.ts'

/** A TCP socket that reaches `server` the way programs in `netns` do, on a port of the kernel's choice. Throws SyscallError. */
export function openClientSocket(netns: Fd, server: string): Fd {
  return inNetns(netns, () => open(server, 'stream'))
}

/** A datagram socket connected to `server`'s port 53, in `netns` or the daemon's own namespace. Throws SyscallError. */
export function openConnected(netns: Fd | null, server: string): Fd {
  return netns === null ? connect(server) : inNetns(netns, () => connect(server))
}

function connect(server: string): Fd {
  const socket = open(server, 'datagram')
  try {
    connectSocket(socket, server, 53)
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

function open(server: string, type: 'datagram' | 'stream'): Fd {
  const family = isIPv6(server) ? 6 : 4
  return openInetSocket({ family, type, address: family === 6 ? '::' : '0.0.0.0', port: 0 })
}

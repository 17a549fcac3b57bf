/**
 * UDP as whole Ethernet frames (packet(7)): heard on an interface that has no address, before any firewall. Synchronous; nothing
 * here waits.
 */
import { AF_PACKET } from './constants/if_packet.ts'
import {
  BPF_JMP_JEQ_K,
  BPF_JMP_JSET_K,
  BPF_LD_B_ABS,
  BPF_LD_H_ABS,
  BPF_LD_H_IND,
  BPF_LDX_B_MSH,
  BPF_RET_K,
  ETH_P_IP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
} from './constants/socket.ts'
import { errnoName, SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { check, declare, lastErrno } from './libc.ts'
import { openPacketSocket, sockaddr_ll } from './packet-socket.ts'
import { attachSteps, sock_filter } from './socket-filter.ts'

const nativeBind = declare<[number, Buffer, number], number>('int bind(int, const void *, uint32_t)')
const nativeRecv = declare<[number, Buffer, number, number], number>('long recv(int, void *, size_t, int)')

/** Room for jumbo frames. */
const receiveBuffer = Buffer.alloc(16 * 1024)

/** Keeps whole UDP datagrams over IPv4 to one port. `jt` and `jf` count from the next step; the last one drops. */
function udpPortFilter(port: number): Buffer {
  const steps = [
    { code: BPF_LD_B_ABS, jt: 0, jf: 0, k: 23 }, // the IP header's protocol
    { code: BPF_JMP_JEQ_K, jt: 0, jf: 6, k: IPPROTO_UDP },
    { code: BPF_LD_H_ABS, jt: 0, jf: 0, k: 20 }, // flags and fragment offset
    { code: BPF_JMP_JSET_K, jt: 4, jf: 0, k: 0x1fff },
    { code: BPF_LDX_B_MSH, jt: 0, jf: 0, k: 14 }, // the IP header's length
    { code: BPF_LD_H_IND, jt: 0, jf: 0, k: 16 }, // 14 of Ethernet, 2 into UDP: the port it goes to
    { code: BPF_JMP_JEQ_K, jt: 0, jf: 1, k: port },
    { code: BPF_RET_K, jt: 0, jf: 0, k: receiveBuffer.length },
    { code: BPF_RET_K, jt: 0, jf: 0, k: 0 },
  ]
  return Buffer.concat(steps.map((step) => sock_filter.encode(step)))
}

/** A socket on the link `index` of the thread's present network namespace that hears what comes to that port. */
export function openUdpFrameSocket(index: number, port: number): Fd {
  // Without a protocol it hears nothing before its filter is there.
  const socket = openPacketSocket()
  try {
    attachSteps(socket, udpPortFilter(port))
    const address = sockaddr_ll.encode({ family: AF_PACKET, protocol: ETH_P_IP, ifindex: index })
    check(nativeBind(socket.number, address, address.length), 'bind', `AF_PACKET on link ${index}`)
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/** The next frame, or null when none waits. Throws SyscallError, but not for an interface that went down: it may come up again. */
export function receiveFrame(socket: Fd): Buffer | null {
  const length = nativeRecv(socket.number, receiveBuffer, receiveBuffer.length, MSG_DONTWAIT)
  if (length >= 0) return Buffer.from(receiveBuffer.subarray(0, length))
  const errno = lastErrno()
  if (['EAGAIN', 'ENETDOWN'].includes(errnoName(errno))) return null
  throw new SyscallError('recv', errno, 'on a packet socket')
}

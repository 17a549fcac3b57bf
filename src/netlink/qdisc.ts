/** A link's rate limit: a token bucket filter as its root queueing discipline (tc-tbf(8), net/sched/sch_tbf.c). */
import { NLM_F_CREATE, NLM_F_REPLACE } from '../sys/constants/netlink.ts'
import { TC_H_ROOT, TCA_TBF_BURST, TCA_TBF_PARMS } from '../sys/constants/pkt_sched.ts'
import { RTM_DELQDISC, RTM_NEWQDISC, TCA_KIND, TCA_OPTIONS } from '../sys/constants/rtnetlink.ts'
import { i32, struct, u8, u16, u32 } from '../sys/layout.ts'
import { attribute, attributeNested, attributeString, attributeU32 } from './attribute.ts'
import { isNetlinkError } from './error.ts'
import type { RouteSocket } from './socket.ts'

export const tcmsg = struct({
  family: u8,
  _pad1: u8,
  _pad2: u16,
  ifindex: i32,
  handle: u32,
  parent: u32,
  info: u32,
})

export const tc_ratespec = struct({
  cell_log: u8,
  linklayer: u8,
  overhead: u16,
  cell_align: u16,
  mpu: u16,
  rate: u32,
})

export const tc_tbf_qopt = struct({
  rate: tc_ratespec,
  peakrate: tc_ratespec,
  limit: u32,
  buffer: u32,
  mtu: u32,
})

/** TC_LINKLAYER_ETHERNET of <linux/pkt_sched.h>, an enum there; with it the kernel needs no rate table. */
const ethernet = 1

export interface RateLimit {
  /** bytes per second, below 2^32 */
  readonly rate: number
  /** bytes that may go at once after a pause */
  readonly burst: number
}

/** Seconds that a packet waits at most before the queue is full and drops. */
const longestWait = 0.05

/** The body of the RTM_NEWQDISC that limits what the link sends. */
export function encodeRateLimit(index: number, { rate, burst }: RateLimit): Buffer {
  const none = { cell_log: 0, linklayer: 0, overhead: 0, cell_align: 0, mpu: 0, rate: 0 }
  const parms = tc_tbf_qopt.encode({
    rate: { ...none, linklayer: ethernet, rate },
    peakrate: none,
    limit: Math.min(burst + Math.ceil(rate * longestWait), 0xffffffff),
    buffer: 0,
    mtu: 0,
  })
  return Buffer.concat([
    tcmsg.encode({ ifindex: index, parent: TC_H_ROOT }),
    attributeString(TCA_KIND, 'tbf'),
    attributeNested(TCA_OPTIONS, attribute(TCA_TBF_PARMS, parms), attributeU32(TCA_TBF_BURST, burst)),
  ])
}

/** Limits what a link sends, in place of a former limit. Traffic under way is not interrupted. */
export function setRateLimit(socket: RouteSocket, index: number, limit: RateLimit): void {
  const body = encodeRateLimit(index, limit)
  const flags = NLM_F_CREATE | NLM_F_REPLACE
  socket.act({ type: RTM_NEWQDISC, flags, body, subject: `rate of link ${index}` })
}

/** Lets a link send as fast as it can; without a limit there it is no error. */
export function removeRateLimit(socket: RouteSocket, index: number): void {
  const body = tcmsg.encode({ ifindex: index, parent: TC_H_ROOT })
  try {
    socket.act({ type: RTM_DELQDISC, flags: 0, body, subject: `rate of link ${index}` })
  } catch (error) {
    if (!isNetlinkError(error, 'ENOENT', 'EINVAL')) throw error
  }
}

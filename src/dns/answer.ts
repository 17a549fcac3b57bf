/** What an upstream server sent: whether it answers, how long it may be kept, and what of it is passed on. */
import { formatIp } from '../values/ip.ts'
import type { Query } from './message.ts'
import {
  flag,
  foldCase,
  headerLength,
  isOpt,
  questionOf,
  type RecordSpan,
  rcode,
  recordsOf,
  recordType,
} from './wire.ts'

/** Seconds. A wrong record is not kept longer than an hour, a name that is missing not longer than five minutes. */
const longest = { positive: 3600, negative: 300 } as const

/** Whether the message answers that query, asked with that id. Any spelling of the name will do, and an error may stand without it. */
export function isAnswerTo(message: Buffer, query: Query, id: number): boolean {
  try {
    const isAnswer = message.readUInt16BE(0) === id && (message.readUInt16BE(2) & flag.QR) !== 0
    if (!isAnswer) return false
    if (message.readUInt16BE(4) === 0) return rcodeOf(message) !== rcode.NOERROR
    const question = questionOf(message)
    return question.equals(query.question) || foldCase(question) === foldCase(query.question)
  } catch {
    return false
  }
}

export function isTruncated(message: Buffer): boolean {
  return (message.readUInt16BE(2) & flag.TC) !== 0
}

/** Whether the server could not read the query, as an old one cannot that has EDNS in it (RFC 6891, 7). */
export function isFormatError(message: Buffer): boolean {
  return rcodeOf(message) === rcode.FORMERR
}

function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf
}

/** Whether another server may know better. */
export function isFailure(message: Buffer): boolean {
  const code = rcodeOf(message)
  return code === rcode.SERVFAIL || code === rcode.REFUSED || code === rcode.NOTIMP
}

/** Seconds for which a message may be kept; 0 for not at all. */
export function lifetime(message: Buffer): number {
  const code = rcodeOf(message)
  if (isTruncated(message) || (code !== rcode.NOERROR && code !== rcode.NXDOMAIN)) return 0
  const records = recordsOf(message)
  const isNegative = !records.some((record) => record.section === 'answer')
  // RFC 2308, 5: without a SOA record nobody says how long the name stays missing
  if (isNegative && !records.some((record) => record.type === recordType.SOA)) return 0
  const limit = isNegative ? longest.negative : longest.positive
  return Math.min(limit, ...records.map((record) => recordLifetime(message, record)))
}

/** A SOA record that explains a missing name ends in the seconds for which it stays missing. */
function recordLifetime(message: Buffer, record: RecordSpan): number {
  const ttl = message.readUInt32BE(record.ttlAt)
  // RFC 2181, 8: the highest bit means zero
  if (ttl > 0x7fffffff) return 0
  if (record.type !== recordType.SOA || record.end - record.dataAt < 4) return ttl
  return Math.min(ttl, message.readUInt32BE(record.end - 4))
}

/** Bytes of the records that hold an address. */
const addressSizes: ReadonlyMap<number, number> = new Map([
  [recordType.A, 4],
  [recordType.AAAA, 16],
])

/** The addresses that a message gives for the name asked, and the seconds for which all of them hold; null without any. */
export function addressesIn(message: Buffer): { readonly addresses: string[]; readonly ttl: number } | null {
  const records = recordsOf(message).filter(
    ({ section, type, dataAt, end }) => section === 'answer' && addressSizes.get(type) === end - dataAt,
  )
  if (records.length === 0) return null
  return {
    addresses: records.map(({ dataAt, end }) => formatIp(message.subarray(dataAt, end))),
    ttl: Math.min(...records.map(({ ttlAt }) => message.readUInt32BE(ttlAt))),
  }
}

/** A copy of the message with that many seconds taken from every TTL. */
export function aged(message: Buffer, seconds: number): Buffer {
  const copy = Buffer.from(message)
  for (const { ttlAt } of recordsOf(copy)) {
    copy.writeUInt32BE(Math.max(0, copy.readUInt32BE(ttlAt) - seconds), ttlAt)
  }
  return copy
}

/**
 * The message without its OPT record, which belongs to one hop. Records behind it go too: pointers into them would be
 * wrong, and only signatures of the hop stand there.
 */
export function withoutOpt(message: Buffer): Buffer {
  const records = recordsOf(message)
  const opt = records.find(isOpt)
  const end = opt?.start ?? records.at(-1)?.end ?? headerLength + questionOf(message).length
  const stripped = Buffer.from(message.subarray(0, end))
  const kept = records.filter((record) => record.section === 'additional' && record.end <= end)
  stripped.writeUInt16BE(kept.length, 10)
  return stripped
}

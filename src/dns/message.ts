/** Queries as they come from a container, and the messages that answer them. */
import { parseIp } from '../values/ip.ts'
import {
  encodeName,
  flag,
  foldCase,
  headerLength,
  isOpt,
  questionOf,
  rcode,
  recordsOf,
  recordType,
} from './wire.ts'

export interface Query {
  readonly id: number
  /** RD, AD and CD as the client set them. */
  readonly flags: number
  /** In lower case, without the last dot. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** The question as it came, with the client's spelling. */
  readonly question: Buffer
  /** RFC 6891: the largest UDP payload the client takes and whether it wants DNSSEC records; null without EDNS. */
  readonly edns: { readonly version: number; readonly size: number; readonly dnssec: boolean } | null
  /** Two queries with the same key have the same answer. */
  readonly key: string
}

export type Received = { readonly query: Query } | { readonly refusal: Buffer | null }

const optLength = 11
/** What this side takes by UDP: no fragments on any usual link (DNS flag day 2020). */
const ownPayload = 1232
const dnssecOk = 0x8000
const passedOn = flag.RD | flag.AD | flag.CD
const classIn = 1
const classAny = 255

/**
 * Reads what a client sent. Anything that is no sensible query comes back as a refusal to send, or null where silence is
 * right: on answers, or two servers could talk to each other for ever, and on what has not even a header.
 */
export function receive(bytes: Buffer): Received {
  if (bytes.length < headerLength || (bytes.readUInt16BE(2) & flag.QR) !== 0) return { refusal: null }
  const opcode = (bytes.readUInt16BE(2) >> 11) & 0xf
  if (opcode !== 0) return { refusal: bareReply(bytes, rcode.NOTIMP) }
  try {
    const query = parse(bytes)
    if (query.edns !== null && query.edns.version > 0) return { refusal: badVersion(query) }
    const isTransfer = query.type === recordType.AXFR || query.type === recordType.IXFR
    return isTransfer ? { refusal: reply(query, rcode.REFUSED) } : { query }
  } catch {
    return { refusal: bareReply(bytes, rcode.FORMERR) }
  }
}

function parse(bytes: Buffer): Query {
  const question = questionOf(bytes)
  const opt = recordsOf(bytes).find(isOpt)
  // RFC 6891, 6.1.2: the size is in the place of the class; of the TTL, the second byte is the version and the lower half the flags
  const edns =
    opt === undefined
      ? null
      : {
          version: bytes.readUInt8(opt.ttlAt + 1),
          size: clampPayload(bytes.readUInt16BE(opt.ttlAt - 2)),
          dnssec: (bytes.readUInt16BE(opt.ttlAt + 2) & dnssecOk) !== 0,
        }
  const flags = bytes.readUInt16BE(2) & passedOn
  return {
    id: bytes.readUInt16BE(0),
    flags,
    name: nameIn(question),
    type: question.readUInt16BE(question.length - 4),
    class: question.readUInt16BE(question.length - 2),
    question,
    edns,
    key: `${flags} ${edns === null ? '-' : Number(edns.dnssec)} ${foldCase(question)}`,
  }
}

function nameIn(question: Buffer): string {
  const labels: string[] = []
  for (let at = 0; question[at]! > 0; at += 1 + question[at]!) {
    labels.push(question.toString('utf8', at + 1, at + 1 + question[at]!))
  }
  return labels.join('.').toLowerCase()
}

/** RFC 6891, 6.2.3: less than 512 means 512. More than 4096 is better sent by TCP. */
function clampPayload(size: number): number {
  return Math.min(4096, Math.max(512, size))
}

/** Whether the query asks for the class of the internet, the only one with addresses. */
export function isInternet(query: Query): boolean {
  return query.class === classIn || query.class === classAny
}

/** A header without anything, for queries that cannot be read. */
function bareReply(bytes: Buffer, code: number): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(bytes.readUInt16BE(0), 0)
  header.writeUInt16BE((bytes.readUInt16BE(2) & 0x7900) | flag.QR | code, 2)
  return header
}

/** RFC 6891, 6.1.3: the code's upper bits are the first byte of the OPT's TTL, and the version is the highest that is known here. */
function badVersion(query: Query): Buffer {
  const refusal = appendOpt(reply(query, rcode.NOERROR), false)
  refusal.writeUInt8(1, refusal.length - 6)
  return refusal
}

/** An answer of our own with these records. `ttl` in seconds. */
export function reply(query: Query, code: number, records: readonly Buffer[] = []): Buffer {
  const header = Buffer.alloc(headerLength)
  const authoritative = code === rcode.NOERROR ? flag.AA : 0
  header.writeUInt16BE(query.id, 0)
  header.writeUInt16BE(flag.QR | authoritative | (query.flags & (flag.RD | flag.CD)) | flag.RA | code, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  return Buffer.concat([header, query.question, ...records])
}

/** An A or AAAA record for the name in question. */
export function addressRecord(address: string, ttl: number): Buffer {
  const data = parseIp(address)
  return record(data.length === 4 ? recordType.A : recordType.AAAA, ttl, data)
}

/** A PTR record for the name in question. */
export function pointerRecord(name: string, ttl: number): Buffer {
  return record(recordType.PTR, ttl, encodeName(name))
}

/** The owner is a pointer to the question's name: 0xc000 and the offset behind the header. */
function record(type: number, ttl: number, data: Uint8Array): Buffer {
  const fields = Buffer.alloc(headerLength)
  fields.writeUInt16BE(0xc000 | headerLength, 0)
  fields.writeUInt16BE(type, 2)
  fields.writeUInt16BE(classIn, 4)
  fields.writeUInt32BE(ttl, 6)
  fields.writeUInt16BE(data.length, 10)
  return Buffer.concat([fields, data])
}

/** The query to send to an upstream server: the same question, and EDNS of our own where the client used it. */
export function upstreamQuery(query: Query, id: number): Buffer {
  const header = Buffer.alloc(headerLength)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(query.flags, 2)
  header.writeUInt16BE(1, 4)
  const message = Buffer.concat([header, query.question])
  return query.edns === null ? message : appendOpt(message, query.edns.dnssec)
}

/** Makes an upstream's message, stripped of its OPT, the client's own: id, spelling, EDNS and size. */
export function addressTo(query: Query, message: Buffer): Buffer {
  const own = Buffer.from(message)
  own.writeUInt16BE(query.id, 0)
  query.question.copy(own, headerLength)
  return own
}

/**
 * The message as it may go out: with an OPT for a client that speaks EDNS, and for UDP cut between records to what the
 * client takes. Old resolvers use the records of a truncated answer, so as many as fit stay (RFC 2181, 9).
 */
export function fitToClient(query: Query, message: Buffer, transport: 'udp' | 'tcp'): Buffer {
  const limit = transport === 'tcp' ? 0xffff : (query.edns?.size ?? 512)
  const room = limit - (query.edns === null ? 0 : optLength)
  const fitting = message.length <= room ? message : truncate(message, room)
  return query.edns === null ? fitting : appendOpt(fitting, query.edns.dnssec)
}

function truncate(message: Buffer, room: number): Buffer {
  const records = recordsOf(message)
  const kept = records.filter((record) => record.end <= room)
  const end = kept.at(-1)?.end ?? headerLength + questionOf(message).length
  const cut = Buffer.from(message.subarray(0, end))
  for (const [index, section] of (['answer', 'authority', 'additional'] as const).entries()) {
    cut.writeUInt16BE(kept.filter((record) => record.section === section).length, 6 + 2 * index)
  }
  const isIncomplete = records.slice(kept.length).some((record) => record.section !== 'additional')
  cut.writeUInt16BE(cut.readUInt16BE(2) | (isIncomplete ? flag.TC : 0), 2)
  return cut
}

/** RFC 6891, 6.1.2: root name, OPT, payload size as class, flags as TTL, no options. */
function appendOpt(message: Buffer, dnssec: boolean): Buffer {
  const opt = Buffer.alloc(optLength)
  opt.writeUInt16BE(recordType.OPT, 1)
  opt.writeUInt16BE(ownPayload, 3)
  opt.writeUInt16BE(dnssec ? dnssecOk : 0, 7)
  const whole = Buffer.concat([message, opt])
  whole.writeUInt16BE(whole.readUInt16BE(10) + 1, 10)
  return whole
}

/**
 * The bytes of a DNS message (RFC 1035, 4.1) without decoding its records, so that what comes from an upstream server
 * is passed on as it is, whatever types it holds.
 *
 *     header: id 2 | flags 2 | questions 2 | answers 2 | authority 2 | additional 2
 *     question: name | type 2 | class 2        record: name | type 2 | class 2 | ttl 4 | length 2 | data
 */
import { TsnetError } from '../errors.ts'

export const headerLength = 12

/** Bits of the flags word; RFC 1035, 4.1.1 and RFC 4035, 3.1.6. */
export const flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const

export const rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

export const recordType = {
  A: 1,
  SOA: 6,
  PTR: 12,
  AAAA: 28,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

export interface RecordSpan {
  readonly section: 'answer' | 'authority' | 'additional'
  readonly type: number
  readonly start: number
  /** Where the 4 bytes of the TTL are. */
  readonly ttlAt: number
  readonly dataAt: number
  readonly end: number
}

function malformed(what: string, at: number): TsnetError {
  return new TsnetError('invalid', 'bad-dns-message', `DNS message is malformed: ${what} at byte ${at}`)
}

/** The offset behind a name: labels up to the root or, where one is allowed, to the first pointer. */
export function skipName(message: Buffer, start: number, mayPoint = true): number {
  let at = start
  for (;;) {
    const length = message[at]
    if (length === undefined) throw malformed('name runs past the end', at)
    if (length === 0) return at + 1
    if (length >= 0xc0 && mayPoint) return at + 2
    if (length > 63) throw malformed('label has an unknown type', at)
    at += 1 + length
  }
}

/**
 * The question section's bytes. Throws kind 'invalid' unless there is exactly one question, with a name that means the same behind
 * every header: a pointer would lead into it.
 */
export function questionOf(message: Buffer): Buffer {
  return message.subarray(headerLength, questionEnd(message))
}

/** The offset behind the question section. Throws as `questionOf` does. */
export function questionEnd(message: Buffer): number {
  if (message.length < headerLength || message.readUInt16BE(4) !== 1) throw malformed('no single question', 4)
  const end = skipName(message, headerLength, false) + 4
  if (end > message.length) throw malformed('question runs past the end', message.length)
  return end
}

const sections = ['answer', 'authority', 'additional'] as const

/** Where each record is, in order. Throws kind 'invalid'. */
export function recordsOf(message: Buffer): RecordSpan[] {
  const records: RecordSpan[] = []
  let at = questionEnd(message)
  for (let index = 0; index < sections.length; index++) {
    for (let left = message.readUInt16BE(6 + 2 * index); left > 0; left--) {
      const record = recordAt(message, at, sections[index]!)
      records.push(record)
      at = record.end
    }
  }
  return records
}

/** Elsewhere than in the additional section it means nothing (RFC 6891, 6.1.1). */
export function isOpt({ section, type }: RecordSpan): boolean {
  return section === 'additional' && type === recordType.OPT
}

function recordAt(message: Buffer, start: number, section: RecordSpan['section']): RecordSpan {
  const fields = skipName(message, start)
  if (fields + 10 > message.length) throw malformed('record runs past the end', start)
  const dataAt = fields + 10
  const end = dataAt + message.readUInt16BE(fields + 8)
  if (end > message.length) throw malformed('record data runs past the end', dataAt)
  return { section, type: message.readUInt16BE(fields), start, ttlAt: fields + 4, dataAt, end }
}

/**
 * One spelling for each question (RFC 4343). Type and class are left alone: 65 is a type as well as an A. Lengths of
 * labels are below 64 and so never taken for letters.
 */
export function foldCase(question: Buffer): string {
  const text = question.toString('latin1')
  return text.slice(0, -4).replace(/[A-Z]/g, (letter) => letter.toLowerCase()) + text.slice(-4)
}

/** A domain name in wire form, uncompressed. Labels are cut at 63 bytes, the most that the form can hold. */
export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  const parts = labels.flatMap((label) => {
    const bytes = Buffer.from(label).subarray(0, 63)
    return [Buffer.of(bytes.length), bytes]
  })
  return Buffer.concat([...parts, Buffer.of(0)])
}

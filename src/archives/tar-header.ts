/** The 512-byte header of ustar (POSIX.1-2017, pax(1), "ustar Interchange Format"), and GNU's form of it. */

export const blockSize = 512

/** A header's fields as they stand. Each character of a text is a byte. */
export interface RawHeader {
  readonly name: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** bytes; NaN when it is not a number */
  readonly size: number
  /** seconds since the epoch */
  readonly mtime: number
  readonly type: string
  readonly target: string
  readonly major: number
  readonly minor: number
}

const checksumAt = 148
const checksumEnd = 156
const space = 32

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

/** null when the check sum is wrong. */
export function parseHeader(block: Buffer): RawHeader | null {
  if (readNumber(block, checksumAt, 8) !== checksum(block, 0, blockSize)) return null
  const magic = block.toString('latin1', 257, 265)
  // GNU's form has other things where ustar has the first part of a long name.
  const prefix = magic === 'ustar\x0000' ? readText(block, 345, 155) : ''
  const name = readText(block, 0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: readNumber(block, 100, 8) || 0,
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    size: readNumber(block, 124, 12),
    mtime: readNumber(block, 136, 12) || 0,
    type: String.fromCharCode(block[156]!),
    target: readText(block, 157, 100),
    major: readNumber(block, 329, 8) || 0,
    minor: readNumber(block, 337, 8) || 0,
  }
}

/** Of the first `length` bytes from `start` on, where the sum itself counts as blanks. */
function checksum(bytes: Buffer, start: number, length: number): number {
  let sum = space * (checksumEnd - checksumAt)
  for (let at = start; at < start + checksumAt; at++) sum += bytes[at]!
  for (let at = start + checksumEnd; at < start + length; at++) sum += bytes[at]!
  return sum
}

function readText(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at)
  return block.toString('latin1', at, end < 0 || end > at + length ? at + length : end)
}

/** Octal digits between blanks, or GNU's binary form, of which the first byte's upper bit tells. NaN when it is neither. */
export function readNumber(block: Buffer, at: number, length: number): number {
  if ((block[at]! & 0x80) !== 0) return readBinary(block, at, length)
  const digits = readText(block, at, length).trim()
  if (digits === '') return 0
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

/** Big-endian and signed, less the upper bit. */
function readBinary(block: Buffer, at: number, length: number): number {
  const isNegative = block[at] === 0xff
  let value = isNegative ? -1 : block[at]! & 0x7f
  for (let index = at + 1; index < at + length; index++) value = value * 256 + block[index]!
  return value
}

/** What the fields of ustar hold; the rest of a larger value stands in an extended header before. */
export const limits = { name: 100, target: 100, id: 0o7777777, size: 0o77777777777, time: 0o77777777777 }

/** What all headers have in common. */
const blank = Buffer.alloc(blockSize)
blank.write('ustar\x0000', 257, 'latin1')
const blankSum = checksum(blank, 0, blockSize)

/** Writes a header at `at`; what does not fit is cut. The sum is made on the way: there is one header for each small file. */
export function writeHeader(
  into: Buffer,
  at: number,
  header: Omit<RawHeader, 'type' | 'size' | 'mtime'>,
  type: string,
  size: number,
  mtime: number,
): void {
  blank.copy(into, at)
  const sum =
    blankSum +
    writeText(into, at, limits.name, header.name) +
    writeOctal(into, at + 100, 8, header.mode) +
    writeOctal(into, at + 108, 8, header.uid <= limits.id ? header.uid : 0) +
    writeOctal(into, at + 116, 8, header.gid <= limits.id ? header.gid : 0) +
    writeOctal(into, at + 124, 12, size <= limits.size ? size : 0) +
    writeOctal(into, at + 136, 12, mtime >= 0 && mtime <= limits.time ? mtime : 0) +
    writeText(into, at + 156, 1, type) +
    writeText(into, at + 157, limits.target, header.target) +
    writeOctal(into, at + 329, 8, header.major) +
    writeOctal(into, at + 337, 8, header.minor)
  writeOctal(into, at + checksumAt, 7, sum)
  into[at + checksumEnd - 1] = space
}

/** Returns the sum of the bytes. */
function writeText(into: Buffer, at: number, longest: number, text: string): number {
  const length = Math.min(text.length, longest)
  let sum = 0
  for (let index = 0; index < length; index++) {
    const byte = text.charCodeAt(index)
    into[at + index] = byte
    sum += byte
  }
  return sum
}

const zero = 0x30

/** Digits with zeros before them and a NUL behind; returns the sum of the bytes. */
function writeOctal(into: Buffer, at: number, length: number, value: number): number {
  let sum = zero * (length - 1)
  let index = at + length - 2
  let rest = value
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 8)) {
    into[index--] = zero + (rest % 8)
    sum += rest % 8
  }
  for (; index >= at; rest >>>= 3) {
    into[index--] = zero | (rest & 7)
    sum += rest & 7
  }
  return sum
}

/**
 * What is tsnet's own in an exported volume: two of zstd's skippable frames (RFC 8878, section 3.1.2) around a compressed tar
 * archive. zstd and tar read over both.
 *
 *   label                          the archive                 seal, 256 bytes
 *   ┌────────────┬──────┬──────┐   ┌─────────────────────┐     ┌────────────┬──────┬─────────────────────────┐
 *   │ 0x184D2A54 │ size │ JSON │   │ tar, in zstd frames │     │ 0x184D2A55 │ 248  │ JSON, filled by blanks  │
 *   └────────────┴──────┴──────┘   └─────────────────────┘     └────────────┴──────┴─────────────────────────┘
 */
import { TsnetError } from '../errors.ts'

/** The volume that was exported. */
export interface ArchiveLabel {
  readonly name: string
  readonly driver: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

/** What the archive must be, to be whole. */
export interface ArchiveSeal {
  /** hex digits, of all bytes before the seal */
  readonly sha256: string
  /** bytes before the seal */
  readonly bytes: number
  readonly entries: number
}

const version = 1
const labelMagic = 0x184d2a54
const sealMagic = 0x184d2a55
const headerSize = 8
export const sealSize = 256
/** More than a volume's labels and options may take in a request. */
const longestLabel = 32 << 20

export function formatArchiveLabel(label: ArchiveLabel): Buffer {
  return frame(labelMagic, Buffer.from(JSON.stringify({ version, ...label })))
}

export function formatArchiveSeal(seal: ArchiveSeal): Buffer {
  const content = Buffer.alloc(sealSize - headerSize, ' ')
  content.write(JSON.stringify({ version, ...seal }))
  return frame(sealMagic, content)
}

function frame(magic: number, content: Buffer): Buffer {
  const header = Buffer.alloc(headerSize)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(content.length, 4)
  return Buffer.concat([header, content])
}

/** bytes of the label's frame, by the archive's first eight; 0 when it has none. Throws kind 'invalid' for an impossible one. */
export function labelSize(start: Buffer): number {
  if (start.length < headerSize || start.readUInt32LE(0) !== labelMagic) return 0
  const size = start.readUInt32LE(4)
  if (size > longestLabel) throw unreadable('its label is too long')
  return headerSize + size
}

/** Throws kind 'invalid' when the frame does not hold a label. */
export function parseArchiveLabel(bytes: Buffer): ArchiveLabel {
  const { name, driver, labels, options } = parseContent(bytes) as Partial<ArchiveLabel>
  const isValid =
    typeof name === 'string' && typeof driver === 'string' && isTextMap(labels) && isTextMap(options)
  if (!isValid) throw unreadable('its label is malformed')
  return { name, driver, labels, options }
}

/** null when the archive's last bytes are no seal. Throws kind 'invalid' for a malformed one. */
export function parseArchiveSeal(end: Buffer): ArchiveSeal | null {
  if (end.length !== sealSize || end.readUInt32LE(0) !== sealMagic) return null
  const { sha256, bytes, entries } = parseContent(end) as Partial<ArchiveSeal>
  const isValid = typeof sha256 === 'string' && Number.isInteger(bytes) && Number.isInteger(entries)
  if (!isValid) throw unreadable('its seal is malformed')
  return { sha256, bytes: bytes!, entries: entries! }
}

function parseContent(bytes: Buffer): object {
  let content: { readonly version?: unknown } | null
  try {
    content = JSON.parse(bytes.toString('utf8', headerSize)) as { readonly version?: unknown } | null
  } catch {
    throw unreadable('what tsnet has written around it is malformed')
  }
  if (content?.version === version) return content
  throw unreadable(`it is of version ${content?.version}, this tsnet reads version ${version}`)
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((one) => typeof one === 'string')
}

function unreadable(problem: string): TsnetError {
  return new TsnetError('invalid', 'volume-archive', `the archive cannot be read: ${problem}`)
}

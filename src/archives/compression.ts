/** Compression of archives, known by the first bytes and not by a declared type. */
import { TsnetError } from '../errors.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

const magics: readonly [prefix: readonly number[], name: string][] = [
  [[0x1f, 0x8b], 'gzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz'],
  [[0x42, 0x5a, 0x68], 'bzip2'],
]

/** bytes that are needed to tell */
export const longestMagic = 5

/** Throws kind 'unsupported' for a compression that tsnet does not read. */
export function detectCompression(head: Buffer): Compression {
  const name = magics.find(([prefix]) => prefix.every((byte, index) => head[index] === byte))?.[1] ?? 'none'
  if (name === 'none' || name === 'gzip' || name === 'zstd') return name
  throw new TsnetError(
    'unsupported',
    'compression',
    `the archive is compressed by ${name}, which is not supported: use gzip, zstd or none`,
  )
}

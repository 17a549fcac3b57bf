/**
 * Writes a volume's tree as a zstd tar archive to the caller. The same tree makes the same bytes: a caller whose connection broke
 * says what it has by a check sum, and gets the rest.
 */
import { createHash } from 'node:crypto'
import { TarWriter } from '../../archives/tar-writer.ts'
import { TsnetError } from '../../errors.ts'
import { ZstdCompressor } from '../../sys/libzstd.ts'
import { SourceTree } from '../../sys/source-tree.ts'
import { settleStagedTree } from '../../sys/staged-tree.ts'
import { walkTree } from '../../sys/walk-tree.ts'
import { type ArchiveLabel, formatArchiveLabel, formatArchiveSeal } from '../../values/volume-archive.ts'
import { ArchivedTree } from './archived-tree.ts'
import type { Context } from './job.ts'

export interface ExportVolume {
  /** of the volume's data */
  readonly root: string
  readonly label: ArchiveLabel
  readonly resume: ArchivePart | null
}

/** The beginning of an archive that somebody has. */
export interface ArchivePart {
  /** bytes */
  readonly offset: number
  /** hex digits, of those bytes */
  readonly sha256: string
}

export interface Exported {
  readonly entries: number
  /** bytes of the whole archive */
  readonly bytes: number
  /** files that were written to while they were read */
  readonly changed: number
  /** sockets, and device nodes that no volume may hold */
  readonly leftOut: number
}

/** Throws kind 'conflict', code 'volume-changed', before anything is written when the archive begins otherwise by now. */
export function exportVolume({ root, label, resume }: ExportVolume, context: Context): Exported {
  settleStagedTree(root)
  using source = new SourceTree(root)
  const output = new Output(context, label.name, resume)
  output.write(formatArchiveLabel(label))
  using zstd = new ZstdCompressor((bytes) => output.write(bytes))
  const tar = new TarWriter((bytes) => {
    zstd.write(bytes)
    context.progress(tar.size, 0)
  })
  const tree = new ArchivedTree(source, tar)
  tree.addRoot()
  walkTree(source.root, tree, { sorted: true })
  tar.end()
  zstd.end()
  const { entries, changed, leftOut } = tree
  output.seal(entries)
  return { entries, bytes: output.size, changed, leftOut }
}

/** The archive's bytes behind what the caller has. */
class Output {
  readonly #sink: Pick<Context, 'write'>
  readonly #volume: string
  readonly #hash = createHash('sha256')
  /** What is there already, as long as its end has not been reached. */
  #resume: ArchivePart | null
  size = 0

  constructor(sink: Pick<Context, 'write'>, volume: string, resume: ArchivePart | null) {
    this.#sink = sink
    this.#volume = volume
    this.#resume = resume
  }

  write(bytes: Buffer): void {
    const had = this.#pass(bytes)
    const rest = had === 0 ? bytes : bytes.subarray(had)
    this.#hash.update(rest)
    if (rest.length > 0) this.#sink.write(rest)
    this.size += bytes.length
  }

  /** Its own bytes are in no check sum but a caller's, of what it has. */
  seal(entries: number): void {
    const sha256 = this.#hash.copy().digest('hex')
    this.write(formatArchiveSeal({ sha256, bytes: this.size, entries }))
    if (this.#resume !== null) throw this.#changed()
  }

  /** Takes what is not to be written again; returns how much that is. */
  #pass(bytes: Buffer): number {
    if (this.#resume === null) return 0
    const { offset, sha256 } = this.#resume
    const had = Math.min(bytes.length, offset - this.size)
    this.#hash.update(bytes.subarray(0, had))
    if (this.size + had < offset) return had
    if (this.#hash.copy().digest('hex') !== sha256) throw this.#changed()
    this.#resume = null
    return had
  }

  #changed(): TsnetError {
    return new TsnetError(
      'conflict',
      'volume-changed',
      `volume "${this.#volume}" has changed since its export began: export it from the beginning`,
    )
  }
}

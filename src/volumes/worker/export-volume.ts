/**
 * Writes a volume's tree as a zstd tar archive to the caller. Before the archive come 64 hex digits: the mark of the state that
 * the tree was in, by which a caller whose connection broke can have the rest of the very same archive.
 */
import { createHash, type Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { TarWriter } from '../../archives/tar-writer.ts'
import { TsnetError } from '../../errors.ts'
import { type CName, openDirectory, statAt, statOpen } from '../../sys/at.ts'
import { FileStatus } from '../../sys/file-status.ts'
import { ZstdCompressor, zstdVersion } from '../../sys/libzstd.ts'
import { settleStagedTree } from '../../sys/staged-tree.ts'
import { type TreeVisitor, walkTree } from '../../sys/walk-tree.ts'
import { type ArchiveLabel, formatArchiveLabel, formatArchiveSeal } from '../../values/volume-archive.ts'
import { ArchivedTree, unlessGone } from './archived-tree.ts'
import type { Context } from './job.ts'

export interface ExportVolume {
  /** of the volume's data */
  readonly root: string
  readonly label: ArchiveLabel
  /** What a resumed export expects: the first one's mark, and how many bytes of the archive are there. */
  readonly resume: { readonly mark: string; readonly offset: number } | null
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

/** Digits before the archive. */
export const markSize = 64

/** Throws kind 'conflict', code 'volume-changed', before anything is written when a resumed one finds another tree. */
export function exportVolume({ root, label, resume }: ExportVolume, context: Context): Exported {
  settleStagedTree(root)
  using directory = openDirectory(root)
  const survey = new Survey(label, context)
  survey.directory('', directory.number)
  walkTree(directory, survey, { sorted: true })
  const mark = survey.mark()
  if (resume !== null && resume.mark !== mark) {
    throw new TsnetError(
      'conflict',
      'volume-changed',
      `volume "${label.name}" has changed since its export began: export it from the beginning`,
    )
  }
  writeAll(context.stdout, Buffer.from(mark))
  const output = new Output(context.stdout, resume?.offset ?? 0)
  output.write(formatArchiveLabel(label))
  using zstd = new ZstdCompressor((bytes) => output.write(bytes))
  const tar = new TarWriter((bytes) => {
    zstd.write(bytes)
    context.progress(tar.size, survey.size)
  })
  const written = new ArchivedTree(tar)
  written.directory(directory.number)
  // Once more from its beginning: a descriptor is read only once.
  using again = openDirectory(directory)
  walkTree(again, written, { sorted: true })
  tar.end()
  zstd.end()
  const { entries, changed, leftOut } = written
  output.seal(entries)
  return { entries, bytes: output.size, changed, leftOut }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
}

/** The archive's bytes from an offset on. */
class Output {
  readonly #fd: number
  readonly #offset: number
  readonly #hash = createHash('sha256')
  size = 0

  constructor(fd: number, offset: number) {
    this.#fd = fd
    this.#offset = offset
  }

  write(bytes: Buffer): void {
    this.#hash.update(bytes)
    this.#send(bytes)
  }

  seal(entries: number): void {
    this.#send(formatArchiveSeal({ sha256: this.#hash.digest('hex'), bytes: this.size, entries }))
  }

  #send(bytes: Buffer): void {
    const before = Math.max(0, this.#offset - this.size)
    if (before < bytes.length) writeAll(this.#fd, before === 0 ? bytes : bytes.subarray(before))
    this.size += bytes.length
  }
}

const entriesPerProgress = 1000

/** Finds the mark of a tree's state: of every entry its name, inode, size, and times of change. */
class Survey implements TreeVisitor {
  readonly #hash: Hash = createHash('sha256')
  readonly #status = new FileStatus()
  readonly #context: Context
  #entries = 0
  /** bytes of all files, about */
  size = 0

  constructor(label: ArchiveLabel, context: Context) {
    this.#context = context
    // Another version of the library may compress otherwise.
    this.#hash.update(JSON.stringify([zstdVersion(), label]))
  }

  mark(): string {
    return this.#hash.digest('hex')
  }

  directory(name: string, fd: number): void {
    statOpen(fd, this.#status)
    this.#add(Buffer.from(name), this.#status)
  }

  entry(directory: number, name: CName): boolean {
    if (!unlessGone(() => statAt(directory, name, this.#status))) return false
    if (this.#status.isDirectory) return true
    this.#add(name, this.#status)
    return false
  }

  enter(name: CName, status: FileStatus): boolean {
    this.#add(name, status)
    return !status.isMountRoot
  }

  leave(): void {
    this.#hash.update('/')
  }

  #add(name: Buffer, status: FileStatus): void {
    this.#hash.update(name).update(status.version, 'latin1')
    this.size += Math.min(status.length, status.allocated)
    if (++this.#entries % entriesPerProgress === 0) this.#context.progress(0, 0)
  }
}

/** The files that a container gets from the host, kept in its directory below the data-root and bound into it. */
import { hash } from 'node:crypto'
import { constants, fstatSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { Fd } from '../sys/fd.ts'

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

export interface ContainerText {
  /** Name of the file in the container's directory. */
  readonly name: string
  /** Path in the container. */
  readonly target: string
  readonly text: string
  readonly readOnly: boolean
}

export interface ContainerFile {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

/** What was written last, by the files' names: size in bytes and SHA-256. */
type Written = Readonly<Record<string, { readonly size: number; readonly digest: string }>>

const ledger = 'written.json'

/** Written in place: a running container's bind mount goes on showing the file. */
export async function writeContainerFiles(
  dataRoot: string,
  id: string,
  texts: readonly ContainerText[],
): Promise<ContainerFile[]> {
  const directory = directoryOf(dataRoot, id)
  await mkdir(directory, { recursive: true, mode: 0o710 })
  await writeFile(`${directory}/${ledger}`, ledgerOf(texts, {}), { mode: 0o600 })
  return Promise.all(
    texts.map(async ({ name, target, text, readOnly }) => {
      const source = `${directory}/${name}`
      await writeFile(source, text, { mode: 0o644 })
      return { source, target, readOnly }
    }),
  )
}

/**
 * Brings a running container's files to these texts, in place. One that the container has changed since it was written here, or that a
 * program in it holds a lease on, is left to it until the next start.
 *
 * The files are small and in the page cache: a turn of the thread pool for each step would take ten times as long.
 */
export function updateContainerFiles(dataRoot: string, id: string, texts: readonly ContainerText[]): void {
  const directory = directoryOf(dataRoot, id)
  const written = readLedger(directory)
  const due = texts.filter(({ name, text }) => {
    const last = written[name]
    return last !== undefined && last.digest !== digestOf(text) && holds(`${directory}/${name}`, last)
  })
  if (due.length === 0) return
  overwrite(`${directory}/${ledger}`, ledgerOf(due, written))
  for (const { name, text } of due) unlessLeased(() => overwrite(`${directory}/${name}`, text))
}

function directoryOf(dataRoot: string, id: string): string {
  return `${dataRoot}/containers/${id}`
}

/** The size is asked for first: the container may have made the file as large as it likes. */
function holds(path: string, last: { size: number; digest: string }): boolean {
  return unlessLeased(() => {
    using file = openNow(path, O_RDONLY)
    return fstatSync(file.number).size === last.size && digestOf(readFileSync(file.number)) === last.digest
  })
}

/** Cut at the end only, where need be: a file system takes its time to free what it gives out again at once, and nobody finds the file empty. */
function overwrite(path: string, text: string): true {
  using file = openNow(path, O_WRONLY)
  writeFileSync(file.number, text)
  const size = Buffer.byteLength(text)
  if (fstatSync(file.number).size > size) ftruncateSync(file.number, size)
  return true
}

/** Else the kernel lets whoever opens a file wait for the holder of a lease on it (fcntl(2), F_SETLEASE). */
function openNow(path: string, flags: number): Fd {
  return new Fd(openSync(path, flags | O_NONBLOCK))
}

/** False for a file with a lease. */
function unlessLeased(body: () => boolean): boolean {
  try {
    return body()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false
    throw error
  }
}

function digestOf(text: string | Buffer): string {
  return hash('sha256', text)
}

function ledgerOf(texts: readonly ContainerText[], before: Written): string {
  const now = texts.map(({ name, text }) => [name, { size: Buffer.byteLength(text), digest: digestOf(text) }])
  return JSON.stringify({ ...before, ...Object.fromEntries(now) })
}

/** Empty where there is none yet, or a crash has cut it short: the files are left alone then. */
function readLedger(directory: string): Written {
  try {
    return JSON.parse(readFileSync(`${directory}/${ledger}`, 'utf8')) as Written
  } catch {
    return {}
  }
}

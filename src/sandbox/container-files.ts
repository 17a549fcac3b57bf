/** The files that a container gets from the host, kept in its directory below the data-root and bound into it. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'

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
  await writeLedger(directory, texts)
  return Promise.all(
    texts.map(async ({ name, target, text, readOnly }) => {
      const source = `${directory}/${name}`
      await writeFile(source, text, { mode: 0o644 })
      return { source, target, readOnly }
    }),
  )
}

/**
 * Brings a running container's files to these texts, in place. One that the container has changed since it was written
 * here is left to it until the next start.
 */
export async function updateContainerFiles(
  dataRoot: string,
  id: string,
  texts: readonly ContainerText[],
): Promise<void> {
  const directory = directoryOf(dataRoot, id)
  const written = await readLedger(directory)
  const due: ContainerText[] = []
  for (const one of texts) {
    const last = written[one.name]
    if (last === undefined || last.digest === digestOf(one.text)) continue
    if (await holds(`${directory}/${one.name}`, last)) due.push(one)
  }
  if (due.length === 0) return
  await writeLedger(directory, due, written)
  for (const { name, text } of due) await writeFile(`${directory}/${name}`, text)
}

function directoryOf(dataRoot: string, id: string): string {
  return `${dataRoot}/containers/${id}`
}

/** The size is asked for first: the container may have made the file as large as it likes. */
async function holds(path: string, last: { size: number; digest: string }): Promise<boolean> {
  if ((await stat(path)).size !== last.size) return false
  return digestOf(await readFile(path)) === last.digest
}

function digestOf(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

async function writeLedger(
  directory: string,
  texts: readonly ContainerText[],
  before: Written = {},
): Promise<void> {
  const now = texts.map(({ name, text }) => [name, { size: Buffer.byteLength(text), digest: digestOf(text) }])
  await writeFile(`${directory}/${ledger}`, JSON.stringify({ ...before, ...Object.fromEntries(now) }), {
    mode: 0o600,
  })
}

/** Empty where there is none yet, or a crash has cut it short: the files are left alone then. */
async function readLedger(directory: string): Promise<Written> {
  try {
    return JSON.parse(await readFile(`${directory}/${ledger}`, 'utf8')) as Written
  } catch {
    return {}
  }
}

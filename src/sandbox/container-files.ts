/** The files that a container gets from the host, kept in its directory below the data-root and bound into it. */
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

/** Written in place: a running container's bind mount goes on showing the file. */
export async function writeContainerFiles(
  dataRoot: string,
  id: string,
  texts: readonly ContainerText[],
): Promise<ContainerFile[]> {
  const directory = `${dataRoot}/containers/${id}`
  await mkdir(directory, { recursive: true, mode: 0o710 })
  return Promise.all(
    texts.map(async ({ name, target, text, readOnly }) => {
      const source = `${directory}/${name}`
      await writeFile(source, text, { mode: 0o644 })
      return { source, target, readOnly }
    }),
  )
}

/** Brings files from `before` to `after`, in place; one that the container has changed meanwhile is left to it. */
export async function updateContainerFiles(
  dataRoot: string,
  id: string,
  before: readonly ContainerText[],
  after: readonly ContainerText[],
): Promise<void> {
  for (const { name, text } of after) {
    const known = before.find((candidate) => candidate.name === name)?.text
    const path = `${dataRoot}/containers/${id}/${name}`
    if (known !== undefined && text !== known && (await holds(path, known))) await writeFile(path, text)
  }
}

/** The size is asked for first: the container may have made the file as large as it likes. */
async function holds(path: string, text: string): Promise<boolean> {
  if ((await stat(path)).size !== Buffer.byteLength(text)) return false
  return (await readFile(path, 'utf8')) === text
}

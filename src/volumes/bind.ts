/** Sources of bind mounts on this host. */
import { mkdir, stat } from 'node:fs/promises'
import { TsnetError } from '../errors.ts'

/** `-v` makes a missing directory, `--mount` refuses. Throws kind 'invalid' with Docker's sentence. */
export async function ensureBindSource(path: string, create: boolean): Promise<void> {
  try {
    await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (!create) {
      throw new TsnetError(
        'invalid',
        'bind-source-missing',
        `invalid mount config for type "bind": bind source path does not exist: ${path}`,
      )
    }
    await mkdir(path, { recursive: true, mode: 0o755 })
  }
}

export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory()
}

import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { badValue } from './values/bad-value.ts'

/** Opens a file for sending; throws before anything is sent when that cannot be. */
export async function openInput(path: string): Promise<Readable> {
  try {
    const file = await open(path)
    if (!(await file.stat()).isDirectory()) return file.createReadStream()
    await file.close()
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw badValue(`open ${path}: ${isMissing ? 'no such file or directory' : (error as Error).message}`)
  }
  throw badValue(`read ${path}: is a directory`)
}

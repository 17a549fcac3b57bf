/**
 * What has been attached by CNI plugins, one file each: written before a plugin is called for the first time, so that whoever finds it
 * after a crash can have it taken back with the very configuration that it was made with.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Attachment, NetworkInUse } from './chain.ts'

export interface AttachmentRecord {
  /** The endpoint's. */
  readonly id: string
  readonly use: NetworkInUse
  readonly attachment: Attachment
  /** The last plugin's result as it came, null until then. */
  readonly result: unknown
}

export class Attachments {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  find(id: string): AttachmentRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#path(id), 'utf8')) as AttachmentRecord
    } catch (error) {
      // Cut short by a crash of the machine: nothing had been attached with it.
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  list(): AttachmentRecord[] {
    try {
      const files = readdirSync(this.#directory).filter((file) => file.endsWith('.json'))
      return files.flatMap((file) => this.find(file.slice(0, -'.json'.length)) ?? [])
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  put(record: AttachmentRecord): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const fresh = `${this.#path(record.id)}.new`
    writeFileSync(fresh, JSON.stringify(record), { mode: 0o600 })
    renameSync(fresh, this.#path(record.id))
  }

  delete(id: string): void {
    rmSync(this.#path(id), { force: true })
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`)
  }
}

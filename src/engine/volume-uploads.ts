/**
 * Archives on their way in: files below `<data-root>/volumes/.incoming`, each under the token that its sender has chosen. They
 * outlive connections and the daemon, so that whoever sends one can go on where it broke off.
 */
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TsnetError } from '../errors.ts'

/** What nobody has sent to for so long is removed. */
const staleAfterMs = 24 * 60 * 60 * 1000

export class VolumeUploads {
  readonly #folder: string
  /** Those that are being received now, by token. */
  readonly #receiving = new Map<string, AbortController>()
  #sweep: NodeJS.Timeout | null = null

  constructor(dataRoot: string) {
    this.#folder = join(dataRoot, 'volumes', '.incoming')
  }

  /** Throws kind 'invalid' for what is no token: those are 32 hex digits. */
  path(token: string): string {
    if (/^[0-9a-f]{32}$/.test(token)) return join(this.#folder, token)
    throw new TsnetError('invalid', 'upload-token', `upload "${token}" is not named by 32 hex digits`)
  }

  /** bytes that are there, 0 for an unknown one */
  async size(token: string): Promise<number> {
    const stats = await stat(this.path(token)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    return stats?.size ?? 0
  }

  /**
   * Appends; an offset of 0 begins anew. What had come when a connection broke stays. Returns how much there is now. Throws kind
   * 'conflict' when something else is there than what comes before the offset, 'unavailable' when the disk is full.
   */
  async receive(token: string, offset: number, bytes: Readable): Promise<number> {
    const path = this.path(token)
    // A sender that comes again has given up on the connection before, which need not have been noticed here.
    this.#receiving.get(token)?.abort()
    const receiving = new AbortController()
    this.#receiving.set(token, receiving)
    try {
      await this.#prepare(token, path, offset)
      await pipeline(bytes, createWriteStream(path, { flags: 'a', mode: 0o600 }), {
        signal: receiving.signal,
      })
      return await this.size(token)
    } catch (error) {
      throw await this.#explain(error, path)
    } finally {
      if (this.#receiving.get(token) === receiving) this.#receiving.delete(token)
      this.#sweepLater()
    }
  }

  async remove(token: string): Promise<void> {
    await rm(this.path(token), { force: true })
  }

  /** Removes what was left lying. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => [])
    for (const name of names) {
      const path = join(this.#folder, name)
      const { mtimeMs } = await stat(path)
      if (Date.now() - mtimeMs > staleAfterMs) await rm(path, { force: true })
    }
  }

  async #prepare(token: string, path: string, offset: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await this.sweep()
    const size = await this.size(token)
    if (offset === 0 && size > 0) await truncate(path)
    if (offset === 0 || offset === size) return
    throw new TsnetError(
      'conflict',
      'upload-offset',
      `upload ${token} has ${size} bytes: it cannot go on at ${offset}`,
    )
  }

  async #explain(error: unknown, path: string): Promise<unknown> {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
    // It would only be in the way of everybody else.
    await rm(path, { force: true })
    return new TsnetError(
      'unavailable',
      'no-space',
      'the archive cannot be received: no space left below the data root',
    )
  }

  #sweepLater(): void {
    if (this.#sweep !== null) clearTimeout(this.#sweep)
    this.#sweep = setTimeout(() => void this.sweep().catch(() => {}), staleAfterMs + 1000).unref()
  }
}

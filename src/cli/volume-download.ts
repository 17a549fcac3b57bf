/** A volume's archive as it comes from a daemon. Where the connection breaks, the rest of the same archive is asked for. */
import { createHash } from 'node:crypto'
import { TsnetError } from '../errors.ts'
import { parseArchiveSeal, sealSize } from '../values/volume-archive.ts'
import type { Client } from './client.ts'
import { ownVolumePath } from './paths.ts'
import { Patience } from './retry.ts'

export class VolumeDownload {
  readonly #client: Client
  readonly #path: string
  /** The ETag of the archive's first part. */
  #mark = ''

  constructor(client: Client, volume: string) {
    this.#client = client
    this.#path = ownVolumePath(volume, 'export')
  }

  /** The archive from an offset on. Throws as isChanged() knows it when the volume has changed since the first part. */
  async *chunks(offset: number): AsyncGenerator<Buffer> {
    const patience = new Patience()
    for (let at = offset; ; ) {
      try {
        for await (const chunk of await this.#open(at)) {
          at += (chunk as Buffer).length
          patience.renew()
          yield chunk as Buffer
        }
        return
      } catch (error) {
        await patience.after(error)
      }
    }
  }

  async #open(offset: number) {
    const headers = offset === 0 ? {} : { Range: `bytes=${offset}-`, 'If-Match': this.#mark }
    const answer = await this.#client.stream('GET', this.#path, { headers })
    this.#mark = answer.headers.etag ?? ''
    return answer
  }
}

/** The volume is not what it was when its archive was begun. */
export function isChanged(error: unknown): boolean {
  return error instanceof TsnetError && error.code === 'precondition'
}

/** Compares what has come with what the archive says of itself at its end. */
export class SealCheck {
  readonly #hash = createHash('sha256')
  /** The last bytes, which may be the seal. */
  #tail: Buffer = Buffer.alloc(0)
  #bytes = 0

  add(chunk: Buffer): void {
    const all = Buffer.concat([this.#tail, chunk])
    const split = Math.max(0, all.length - sealSize)
    this.#hash.update(all.subarray(0, split))
    this.#bytes += split
    this.#tail = Buffer.from(all.subarray(split))
  }

  /** To be called at the end. Throws kind 'internal' when it is not what the daemon has sent. */
  finish(): void {
    const seal = parseArchiveSeal(this.#tail)
    const isWhole = seal !== null && seal.bytes === this.#bytes && seal.sha256 === this.#hash.digest('hex')
    if (!isWhole)
      throw new TsnetError('internal', 'archive-broken', 'the archive came broken: its check sum is wrong')
  }
}

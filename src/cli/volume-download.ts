/** A volume's archive as it comes from a daemon. Where the connection breaks, the rest of the same archive is asked for. */
import { createHash } from 'node:crypto'
import { TsnetError } from '../errors.ts'
import { parseArchiveSeal, sealSize } from '../values/volume-archive.ts'
import type { Client } from './client.ts'
import { ownVolumePath } from './paths.ts'
import { Patience } from './retry.ts'

/** bytes between two states that are remembered */
const stepSize = 16 << 20

export class VolumeDownload {
  readonly #client: Client
  readonly #path: string
  /** States at which to go on, in order: who passes the bytes on may lose some of them. */
  readonly #states: Received[] = [new Received()]

  constructor(client: Client, volume: string) {
    this.#client = client
    this.#path = ownVolumePath(volume, 'export')
  }

  /**
   * The archive from an offset on, which is no later than where a former call has come to. Throws as isChanged() knows it when the
   * volume has changed since the first part, kind 'internal' at the end when it is not what the daemon has sent.
   */
  async *chunks(offset: number): AsyncGenerator<Buffer> {
    const received = this.#rewind(offset)
    const patience = new Patience()
    for (;;) {
      try {
        for await (const chunk of await this.#open(received)) {
          const known = Math.max(0, offset - received.size)
          this.#take(received, chunk as Buffer)
          patience.renew()
          yield (chunk as Buffer).subarray(known)
        }
        return received.finish()
      } catch (error) {
        // Whoever has never answered is hardly about to come back.
        if (received.size === 0) throw error
        await patience.after(error)
      }
    }
  }

  /** The last state that is remembered of those up to an offset. */
  #rewind(offset: number): Received {
    while (this.#states.at(-1)!.size > offset) this.#states.pop()
    return this.#states.at(-1)!.clone()
  }

  #take(received: Received, chunk: Buffer): void {
    received.add(chunk)
    if (received.size - this.#states.at(-1)!.size >= stepSize) this.#states.push(received.clone())
  }

  #open(received: Received) {
    const query = received.size === 0 ? {} : { offset: received.size, sha256: received.sha256() }
    return this.#client.stream('GET', this.#path, { query })
  }
}

/** The volume is not what it was when its archive was begun. */
export function isChanged(error: unknown): boolean {
  return error instanceof TsnetError && error.code === 'precondition'
}

/** What has come of an archive. */
class Received {
  /** of all but the last bytes, which may be the seal */
  #hash = createHash('sha256')
  #last: Buffer = Buffer.alloc(0)
  size = 0

  clone(): Received {
    const copy = new Received()
    copy.#hash = this.#hash.copy()
    copy.#last = this.#last
    copy.size = this.size
    return copy
  }

  add(chunk: Buffer): void {
    const all = chunk.length < sealSize ? Buffer.concat([this.#last, chunk]) : chunk
    if (all === chunk) this.#hash.update(this.#last)
    const split = Math.max(0, all.length - sealSize)
    this.#hash.update(all.subarray(0, split))
    this.#last = Buffer.from(all.subarray(split))
    this.size += chunk.length
  }

  /** hex digits, of all that has come */
  sha256(): string {
    return this.#hash.copy().update(this.#last).digest('hex')
  }

  /** Compares it with what the archive says of itself at its end. */
  finish(): void {
    const seal = parseArchiveSeal(this.#last)
    const bytes = this.size - this.#last.length
    const isWhole = seal !== null && seal.bytes === bytes && seal.sha256 === this.#hash.copy().digest('hex')
    if (!isWhole)
      throw new TsnetError('internal', 'archive-broken', 'the archive came broken: its check sum is wrong')
  }
}

/** Archives on their way to a daemon, which keeps what has come when the connection breaks. */
import type { Readable } from 'node:stream'
import type { VolumeImported } from '../api/schema/volume-archive.ts'
import { errorKind } from '../errors.ts'
import { type FlagValues, integer, list, map, text, toggle, value } from './argv.ts'
import type { Client, Query } from './client.ts'
import { printError } from './command.ts'
import { ownVolumePath, volumePath } from './paths.ts'
import { type Display, showProgress } from './progress.ts'
import { Patience, persistently } from './retry.ts'
import { badValue } from './values/bad-value.ts'
import { parseLabel, toRecord } from './values/key-value.ts'
import { parseBytes } from './values/size.ts'

/** What is said of the volume that is to be made. */
export const importFlags = {
  driver: text('Specify volume driver name', { short: 'd' }),
  label: list('Set metadata for a volume, instead of what the archive tells', { parse: parseLabel }),
  'max-entries': integer('Refuse an archive of more files and directories', { initial: 10_000_000 }),
  'max-size': value('Refuse an archive of more bytes in files', 'bytes', 0, parseBytes),
  now: toggle('With --replace: without keeping what is there as a snapshot'),
  opt: map('Set driver specific options', { short: 'o' }),
  quiet: toggle('Suppress the progress output', { short: 'q' }),
  replace: toggle('Replace what an existing volume holds'),
}

type ImportFlags = FlagValues<typeof importFlags>

export class VolumeUpload {
  readonly #client: Client
  readonly #path: string
  readonly #token: string

  /** `token` names the upload, in 32 hex digits. */
  constructor(client: Client, volume: string, token: string) {
    this.#client = client
    this.#path = ownVolumePath(volume, 'import')
    this.#token = token
  }

  /** bytes that the daemon has */
  async offset(): Promise<number> {
    const answer = await this.#client.stream('HEAD', this.#path, { query: { token: this.#token } })
    answer.resume()
    return Number(answer.headers['upload-offset'] ?? 0)
  }

  /** Sends what `open` gives from an offset on, again where it broke off. `isLost` says that all must be sent anew. */
  async send(
    start: number,
    open: (offset: number) => Readable,
    isLost: (error: unknown) => boolean = () => false,
  ): Promise<void> {
    const patience = new Patience()
    for (let offset = start; ; ) {
      const body = open(offset)
      try {
        await this.#patch(offset, body)
        return
      } catch (error) {
        body.destroy()
        if (!isLost(error)) await patience.after(error)
        const reached = isLost(error) ? 0 : await persistently(() => this.offset())
        if (reached > offset) patience.renew()
        offset = reached
      }
    }
  }

  /** Sends all of what can be read only once. */
  async sendOnce(body: Readable): Promise<void> {
    await this.#patch(0, body)
  }

  async #patch(offset: number, body: Readable): Promise<void> {
    const query = { token: this.#token, offset }
    const answer = await this.#client.stream('PATCH', this.#path, { query, body })
    answer.resume()
  }

  /** Has the volume made of what was sent. A daemon that dies meanwhile does it when it is there again. */
  finish(flags: ImportFlags, given: ReadonlySet<string>, display: Display): Promise<VolumeImported> {
    const query: Query = {
      token: this.#token,
      driver: flags.driver,
      options: JSON.stringify(flags.opt),
      labels: given.has('label') ? JSON.stringify(toRecord(flags.label)) : undefined,
      replace: flags.replace,
      now: flags.now,
      maxSize: given.has('max-size') ? flags['max-size'] : undefined,
      maxEntries: flags['max-entries'],
    }
    return persistently(async () => {
      const answer = await this.#client.stream('POST', this.#path, { query })
      return (await showProgress(answer, display)) as VolumeImported
    })
  }
}

/** Throws as the daemon would, before all is sent for nothing. */
export async function refuseTaken(client: Client, name: string, replace: boolean): Promise<void> {
  if (replace || !(await isThere(client, name))) return
  throw badValue(
    `there is a volume ${name} already: give another name, or --replace to replace what it holds`,
  )
}

async function isThere(client: Client, name: string): Promise<boolean> {
  try {
    await client.call('GET', volumePath(name))
    return true
  } catch (error) {
    if (errorKind(error) === 'not-found') return false
    throw error
  }
}

/** What others than tsnet have made cannot be compared with anything. */
export function tellImported({ Verified, Volume, Kept }: VolumeImported): void {
  if (!Verified) {
    printError(
      `WARNING: the archive of volume ${Volume.Name} was not made by tsnet: it has no check sum to compare it with`,
    )
  }
  if (Kept !== null) printError(`what volume ${Volume.Name} held is kept as its snapshot ${Kept}`)
}

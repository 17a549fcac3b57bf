/** What of a container is data, on its way to another host. */
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { ContainerRecord } from '../../store/records.ts'
import type { MoveWatch } from '../engine.ts'
import type { Parts } from '../parts.ts'
import { logPath } from '../start.ts'
import { openExport } from '../volume-archives.ts'
import type { MoveChannel } from './channel.ts'
import type { Part } from './messages.ts'
import { hasOwnData, volumesOf } from './refusals.ts'

/** Milliseconds without any sign of the worker, or of the other host. */
const exportDeadline = 300_000

export class Shipment {
  readonly #parts: Parts
  readonly #channel: MoveChannel
  readonly #watch: MoveWatch

  constructor(parts: Parts, channel: MoveChannel, watch: MoveWatch) {
    this.#parts = parts
    this.#channel = channel
    this.#watch = watch
  }

  async sendImage(id: string): Promise<void> {
    await this.#send({ part: 'image', name: id }, await this.#parts.images.save([id]))
  }

  /** What it has written, its log and its volumes. It is stopped. */
  async sendContainer(container: ContainerRecord): Promise<void> {
    const root = join(this.#parts.dataRoot, 'containers', container.id, 'upper')
    // One that was never started has none.
    if (existsSync(root)) await this.#send({ part: 'root', name: '' }, this.#archiveOf(root, container))
    const log = logPath(this.#parts, container.id)
    if (existsSync(log)) await this.#send({ part: 'log', name: '' }, createReadStream(log))
    for (const volume of volumesOf(this.#parts, container)) {
      const { name } = volume
      const data = hasOwnData(volume) ? await openExport(this.#parts, name, null, {}) : Readable.from([])
      await this.#send({ part: 'volume', name }, data)
    }
  }

  async #send(part: Part, bytes: Readable): Promise<void> {
    const what = part.name || part.part
    this.#channel.send(part)
    await this.#channel.sendStream(bytes, (sent) => this.#watch.sent(what, sent))
  }

  #archiveOf(root: string, { name }: ContainerRecord): Readable {
    const sink = new PassThrough({ highWaterMark: 1 << 20 })
    const label = { name: '', driver: '', labels: {}, options: {} }
    const options = { subject: `move ${name}`, deadline: exportDeadline, sink }
    this.#parts.workers.run('export-volume', { root, label, resume: null }, options).then(
      () => sink.end(),
      (error: Error) => sink.destroy(error),
    )
    return sink
  }
}

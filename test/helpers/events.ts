/** Events of a daemon as a test sees them. */
import { type ClientRequest, request } from 'node:http'
import { createInterface } from 'node:readline'
import type { EventMessage } from '../../src/api/schema/system.ts'
import type { TestDaemon } from './daemon.ts'

export class EventReader {
  /** What has come so far. */
  readonly seen: EventMessage[] = []
  readonly #request: ClientRequest

  private constructor(daemon: TestDaemon, filters: object) {
    const path = `/events?filters=${encodeURIComponent(JSON.stringify(filters))}`
    this.#request = request({ socketPath: daemon.socket, path })
  }

  /** Resolves once events are being listened for. */
  static open(
    daemon: TestDaemon,
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<EventReader> {
    const reader = new EventReader(daemon, filters)
    return new Promise((resolve, reject) => {
      reader.#request.on('error', reject)
      reader.#request.on('response', (answer) => {
        // closing it is an error to those who read
        answer.on('error', () => {})
        createInterface(answer)
          .on('line', (line) => reader.seen.push(JSON.parse(line) as EventMessage))
          .on('error', () => {})
        resolve(reader)
      })
      reader.#request.end()
    })
  }

  close(): void {
    this.#request.destroy()
  }
}

/**
 * A program's descriptors as the supervisor holds them. Output comes by FIFOs that the program holds open in both directions:
 * it outlives any reader, and the next supervisor goes on reading. A FIFO's end is seen only once its last writer is gone,
 * so a writer of our own (the keeper) bridges the time until the program has opened it.
 */
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { ReadStream } from 'node:tty'
import type { Fd } from '../sys/fd.ts'
import { mkfifo } from '../sys/process.ts'
import { setWindowSize } from '../sys/terminal.ts'
import type { OutputStream } from './frames.ts'

export interface Stdio {
  readonly outputs: readonly (readonly [OutputStream, Readable])[]
  /** null when the program has no input, or it was closed. */
  readonly input: Writable | null
  closeInput(): void
  pause(): void
  resume(): void
  resize(rows: number, columns: number): void
  /** Resolves when every output has ended. */
  ended(): Promise<void>
  close(): void
}

export interface FifoPaths {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
}

/** Paths of the FIFOs below `directory`; stdin '' when there is none. */
export function fifoPaths(directory: string, stdin: boolean): FifoPaths {
  return {
    stdin: stdin ? `${directory}/stdin` : '',
    stdout: `${directory}/stdout`,
    stderr: `${directory}/stderr`,
  }
}

/** Makes a child's directory anew. */
export function makeChildDir(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true, mode: 0o711 })
}

export function makeFifos(paths: FifoPaths): void {
  for (const path of [paths.stdin, paths.stdout, paths.stderr]) if (path !== '') mkfifo(path, 0o600)
}

function streamEnd(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) resolve()
    stream.once('end', resolve)
    stream.once('close', resolve)
    stream.once('error', () => resolve())
  })
}

export class FifoStdio implements Stdio {
  readonly outputs: readonly (readonly [OutputStream, Socket])[]
  input: Socket | null = null
  #keepers: number[]
  #inputHasEnded = false
  readonly #ended: Promise<unknown>

  constructor(paths: FifoPaths) {
    const open = (path: string): Socket =>
      new Socket({
        fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
        readable: true,
        writable: false,
      })
    const stdout = open(paths.stdout)
    const stderr = open(paths.stderr)
    this.#keepers = [paths.stdout, paths.stderr].map((path) =>
      openSync(path, constants.O_WRONLY | constants.O_NONBLOCK),
    )
    this.outputs = [
      ['stdout', stdout],
      ['stderr', stderr],
    ]
    this.#ended = Promise.all([streamEnd(stdout), streamEnd(stderr)])
    if (paths.stdin === '') return
    // Read and write, because nobody reads yet: a FIFO's writer would have to wait.
    const fd = openSync(paths.stdin, constants.O_RDWR | constants.O_NONBLOCK)
    this.input = new Socket({ fd, readable: false, writable: true })
    this.input.on('error', () => this.closeInput())
  }

  /** The program has its own ends now, or will never have them. */
  releaseKeepers(): void {
    for (const fd of this.#keepers.splice(0)) closeSync(fd)
    if (this.#inputHasEnded) this.closeInput()
  }

  /** Only once the program has its own end: before, what was typed would go with the FIFO, and its opening would block. */
  closeInput(): void {
    this.#inputHasEnded = true
    if (this.#keepers.length > 0) return
    const input = this.input
    this.input = null
    input?.end(() => input.destroy())
  }

  pause(): void {
    for (const [, stream] of this.outputs) stream.pause()
  }

  resume(): void {
    for (const [, stream] of this.outputs) stream.resume()
  }

  resize(): void {}

  async ended(): Promise<void> {
    await this.#ended
  }

  close(): void {
    this.releaseKeepers()
    this.input?.destroy()
    for (const [, stream] of this.outputs) stream.destroy()
  }
}

export class TerminalStdio implements Stdio {
  readonly outputs: readonly (readonly [OutputStream, Readable])[]
  readonly input: Writable
  readonly #master: ReadStream
  readonly #fd: number
  readonly #ended: Promise<void>

  constructor(master: Fd) {
    this.#fd = master.release()
    this.#master = new ReadStream(this.#fd)
    this.input = this.#master as unknown as Writable
    this.outputs = [['stdout', this.#master]]
    this.#ended = streamEnd(this.#master)
    // EIO is how a master says that the last holder of its slave is gone.
    this.#master.on('error', () => this.#master.destroy())
  }

  /** A terminal's input never ends: the user types ctrl-d. */
  closeInput(): void {}

  pause(): void {
    this.#master.pause()
  }

  resume(): void {
    this.#master.resume()
  }

  resize(rows: number, columns: number): void {
    if (!this.#master.destroyed) setWindowSize(this.#fd, rows, columns)
  }

  async ended(): Promise<void> {
    await this.#ended
  }

  close(): void {
    this.#master.destroy()
  }
}

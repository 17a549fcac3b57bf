/** libnftables(3), in process: the nft language without a process per change. */
import { closeSync, openSync, readlinkSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { loadLibrary } from './libc.ts'
import { netlinkPort } from './netlink-socket.ts'
import { holdSignals } from './signal.ts'

type Context = unknown

function bindLibrary(name: string) {
  const library = loadLibrary(name)
  if (library === null) return null
  return {
    create: library.func('void *nft_ctx_new(uint32_t flags)') as (flags: number) => Context,
    free: library.func('void nft_ctx_free(void *context)') as (context: Context) => void,
    bufferOutput: library.func('int nft_ctx_buffer_output(void *context)') as (context: Context) => number,
    bufferError: library.func('int nft_ctx_buffer_error(void *context)') as (context: Context) => number,
    run: library.func('int nft_run_cmd_from_buffer(void *context, const char *commands)') as (
      context: Context,
      commands: string,
    ) => number,
    setOutputFlags: library.func('void nft_ctx_output_set_flags(void *context, uint32_t flags)') as (
      context: Context,
      flags: number,
    ) => void,
    output: library.func('const char *nft_ctx_get_output_buffer(void *context)') as (c: Context) => string,
    error: library.func('const char *nft_ctx_get_error_buffer(void *context)') as (c: Context) => string,
  }
}

/** enum nft_ctx_output_flags in nftables/libnftables.h */
const NFT_CTX_OUTPUT_TERSE = 1 << 11

type Library = NonNullable<ReturnType<typeof bindLibrary>>

let library: Library | null | undefined

/** A context of libnftables, with its netlink socket in the network namespace in which it was opened. */
export class Nft implements Disposable {
  readonly #library: Library
  readonly #descriptor: number
  #context: Context

  /** `descriptor` is the one that its socket is going to have. */
  constructor(library: Library, descriptor: number) {
    this.#library = library
    this.#descriptor = descriptor
    this.#context = library.create(0)
    library.bufferOutput(this.#context)
    library.bufferError(this.#context)
  }

  /**
   * Runs nft(8) commands as one transaction and returns what they print. Throws kind 'internal', code 'nftables',
   * with what nft says of the first command that failed. It gives up at a signal that comes while it waits for the kernel, when that may
   * have carried them out, as when a child of this process ends.
   */
  run(commands: string): string {
    const status = holdSignals(() => this.#library.run(this.#context, commands))
    if (status === 0) return this.#library.output(this.#context)
    const [reason = '', command = ''] = this.#library.error(this.#context).split('\n')
    throw new TsnetError('internal', 'nftables', `nftables refused \`${command.trim()}\`: ${reason}`)
  }

  /** The port of its netlink socket, by which its own transactions are known among those the kernel tells of. */
  get port(): number {
    return netlinkPort(this.#descriptor)
  }

  /** What a list command prints, without the elements of sets and maps. */
  listTersely(command: string): string {
    this.#library.setOutputFlags(this.#context, NFT_CTX_OUTPUT_TERSE)
    try {
      return this.run(command)
    } finally {
      this.#library.setOutputFlags(this.#context, 0)
    }
  }

  close(): void {
    if (this.#context === null) return
    this.#library.free(this.#context)
    this.#context = null
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The library waits with select(2), which ends the process when a descriptor is not below this (FD_SETSIZE). */
const descriptorLimit = 1024
const spareCount = 4
/** Low descriptors kept for contexts to come: a thousand published ports take up all the others. */
const spares: number[] = []

function keepSpares(): void {
  while (spares.length < spareCount) {
    const fd = openSync('/dev/null', 'r')
    if (fd >= descriptorLimit) {
      closeSync(fd)
      return
    }
    spares.push(fd)
  }
}

/** A context whose socket is the lowest free descriptor, or null when a thread of the pool was faster and took that. */
function openLow(library: Library): Nft | null {
  const spare = spares.pop()
  if (spare !== undefined) closeSync(spare)
  const lowest = openSync('/dev/null', 'r')
  closeSync(lowest)
  if (lowest >= descriptorLimit) {
    const text = `nftables cannot be used: this process has no file descriptor below ${descriptorLimit} left`
    throw new TsnetError('unavailable', 'nftables', text)
  }
  const nft = new Nft(library, lowest)
  if (isSocket(lowest)) return nft
  nft.close()
  return null
}

function isSocket(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
  } catch {
    return false
  }
}

/** Opens a context in the present network namespace, or returns null when this machine lacks libnftables.so.1. */
export function openNft(): Nft | null {
  library ??= bindLibrary('libnftables.so.1')
  if (library === null) return null
  for (;;) {
    keepSpares()
    const nft = openLow(library)
    if (nft !== null) return nft
  }
}

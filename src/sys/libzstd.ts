/**
 * libzstd, for what node's own copy does not do: compress with several threads to the very end of a stream, and both ways
 * without an event loop. dpkg needs the library, so that every Debian has it.
 */
import { availableParallelism } from 'node:os'
import { TsnetError } from '../errors.ts'
import { loadLibrary } from './libc.ts'

/** <zstd.h> */
const ZSTD_c_compressionLevel = 100
const ZSTD_c_checksumFlag = 201
const ZSTD_c_nbWorkers = 400
const ZSTD_c_jobSize = 401
const ZSTD_e_continue = 0
const ZSTD_e_end = 2

const level = 3
/** bytes that a thread compresses at a time: a quarter of the usual, so that the first begins and the last ends sooner */
const jobSize = 2 << 20
const outputSize = 1 << 20
const nothing = Buffer.alloc(0)

type Stream = unknown

function openLibrary() {
  const library = loadLibrary('libzstd.so.1', { deep: true })
  if (library === null) {
    throw new TsnetError(
      'unsupported',
      'no-libzstd',
      'libzstd.so.1 is not installed: apt-get install libzstd1',
    )
  }
  return {
    create: library.func('void *ZSTD_createCCtx()') as () => Stream,
    free: library.func('size_t ZSTD_freeCCtx(void *stream)') as (stream: Stream) => number,
    set: library.func('size_t ZSTD_CCtx_setParameter(void *stream, int parameter, int value)') as (
      stream: Stream,
      parameter: number,
      value: number,
    ) => number,
    compress: library.func(
      'size_t ZSTD_compressStream2_simpleArgs(void *stream, void *out, size_t outSize, void *outAt, const void *in, size_t inSize, void *inAt, int directive)',
    ) as (
      stream: Stream,
      out: Buffer,
      outSize: number,
      outAt: Buffer,
      input: Buffer,
      inputSize: number,
      inputAt: Buffer,
      directive: number,
    ) => number | bigint,
    createReader: library.func('void *ZSTD_createDCtx()') as () => Stream,
    freeReader: library.func('size_t ZSTD_freeDCtx(void *stream)') as (stream: Stream) => number,
    decompress: library.func(
      'size_t ZSTD_decompressStream_simpleArgs(void *stream, void *out, size_t outSize, void *outAt, const void *in, size_t inSize, void *inAt)',
    ) as (
      stream: Stream,
      out: Buffer,
      outSize: number,
      outAt: Buffer,
      input: Buffer,
      inputSize: number,
      inputAt: Buffer,
    ) => number | bigint,
    isError: library.func('uint32_t ZSTD_isError(size_t code)') as (code: number | bigint) => number,
    errorName: library.func('const char *ZSTD_getErrorName(size_t code)') as (
      code: number | bigint,
    ) => string,
  }
}

let library: ReturnType<typeof openLibrary> | null = null

function libzstd(): ReturnType<typeof openLibrary> {
  library ??= openLibrary()
  return library
}

/**
 * One frame. Whatever the number of processors and the pieces of the input, the output is the same with the same version of the
 * library. Throws kind 'internal'.
 */
export class ZstdCompressor implements Disposable {
  readonly #library = libzstd()
  readonly #emit: (bytes: Buffer) => void
  readonly #out = Buffer.alloc(outputSize)
  readonly #outAt = Buffer.alloc(8)
  readonly #inAt = Buffer.alloc(8)
  #stream: Stream

  /** `emit` gets the compressed bytes, each time for the length of the call. */
  constructor(emit: (bytes: Buffer) => void) {
    this.#emit = emit
    this.#stream = this.#library.create()
    this.#set(ZSTD_c_compressionLevel, level)
    this.#set(ZSTD_c_checksumFlag, 1)
    this.#set(ZSTD_c_nbWorkers, availableParallelism())
    this.#set(ZSTD_c_jobSize, jobSize)
  }

  write(bytes: Buffer): void {
    this.#inAt.writeBigUInt64LE(0n)
    while (this.#inAt.readUInt32LE() < bytes.length) this.#step(bytes, ZSTD_e_continue)
  }

  /** Ends the frame. */
  end(): void {
    this.#inAt.writeBigUInt64LE(0n)
    while (this.#step(nothing, ZSTD_e_end) > 0);
  }

  [Symbol.dispose](): void {
    if (this.#stream !== null) this.#library.free(this.#stream)
    this.#stream = null
  }

  /** What is left to be written, as far as the library knows. */
  #step(input: Buffer, directive: number): number {
    this.#outAt.writeBigUInt64LE(0n)
    const left = this.#library.compress(
      this.#stream,
      this.#out,
      outputSize,
      this.#outAt,
      input,
      input.length,
      this.#inAt,
      directive,
    )
    this.#check(left)
    const length = this.#outAt.readUInt32LE()
    if (length > 0) this.#emit(this.#out.subarray(0, length))
    return Number(left)
  }

  #set(parameter: number, value: number): void {
    this.#check(this.#library.set(this.#stream, parameter, value))
  }

  #check(code: number | bigint): void {
    if (this.#library.isError(code) === 0) return
    throw new TsnetError('internal', 'zstd', `zstd failed: ${this.#library.errorName(code)}`)
  }
}

/** All frames of a stream, one after the other. */
export class ZstdDecompressor implements Disposable {
  readonly #library = libzstd()
  readonly #read: () => Buffer
  readonly #out = Buffer.alloc(outputSize)
  readonly #outAt = Buffer.alloc(8)
  readonly #inAt = Buffer.alloc(8)
  #input: Buffer = nothing
  #stream: Stream
  #isInFrame = false

  /** `read` returns the next compressed bytes, none at the end. */
  constructor(read: () => Buffer) {
    this.#read = read
    this.#stream = this.#library.createReader()
  }

  /** The next bytes, which last until the next call; none at the end. Throws kind 'invalid' for what zstd has not written. */
  next(): Buffer {
    for (;;) {
      const length = this.#step()
      if (length > 0) return this.#out.subarray(0, length)
      if (this.#inAt.readUInt32LE() < this.#input.length) continue
      this.#input = this.#read()
      this.#inAt.writeBigUInt64LE(0n)
      if (this.#input.length > 0) continue
      if (this.#isInFrame) throw unreadable('it is cut short')
      return nothing
    }
  }

  [Symbol.dispose](): void {
    if (this.#stream !== null) this.#library.freeReader(this.#stream)
    this.#stream = null
  }

  #step(): number {
    // A step without input at a frame's end would begin another one.
    if (!this.#isInFrame && this.#inAt.readUInt32LE() === this.#input.length) return 0
    this.#outAt.writeBigUInt64LE(0n)
    const left = this.#library.decompress(
      this.#stream,
      this.#out,
      outputSize,
      this.#outAt,
      this.#input,
      this.#input.length,
      this.#inAt,
    )
    if (this.#library.isError(left) !== 0) throw unreadable(this.#library.errorName(left))
    this.#isInFrame = Number(left) !== 0
    return this.#outAt.readUInt32LE()
  }
}

function unreadable(problem: string): TsnetError {
  return new TsnetError('invalid', 'archive', `the archive cannot be decompressed: ${problem}`)
}

/** zlib's reading of files (gzread(3) of zlib.h), without an event loop: compressed ones, in one part or several, and others. */
import { TsnetError } from '../errors.ts'
import { loadLibrary } from './libc.ts'

type File = unknown

function openLibrary() {
  const library = loadLibrary('libz.so.1', { deep: true })
  if (library === null)
    throw new TsnetError('unsupported', 'no-libz', 'libz.so.1 is not installed: apt-get install zlib1g')
  return {
    open: library.func('void *gzopen(const char *path, const char *mode)') as (
      path: string,
      mode: string,
    ) => File | null,
    read: library.func('int gzread(void *file, void *into, uint32_t length)') as (
      file: File,
      into: Buffer,
      length: number,
    ) => number,
    error: library.func('const char *gzerror(void *file, void *code)') as (
      file: File,
      code: Buffer,
    ) => string,
    close: library.func('int gzclose(void *file)') as (file: File) => number,
  }
}

let library: ReturnType<typeof openLibrary> | null = null

const outputSize = 1 << 20

export class GzipFile implements Disposable {
  readonly #library: ReturnType<typeof openLibrary>
  readonly #out = Buffer.alloc(outputSize)
  #file: File | null

  /** Throws kind 'internal' when the file cannot be opened. */
  constructor(path: string) {
    library ??= openLibrary()
    this.#library = library
    this.#file = library.open(path, 'rb')
    if (this.#file === null) throw new TsnetError('internal', 'archive', `${path} cannot be opened by zlib`)
  }

  /** The next bytes, which last until the next call; none at the end. Throws kind 'invalid' for what is malformed or cut short. */
  next(): Buffer {
    const length = this.#library.read(this.#file, this.#out, outputSize)
    // An end in the middle is told only by the error that stands at it.
    const code = Buffer.alloc(4)
    const problem = length > 0 ? '' : this.#library.error(this.#file, code)
    if (length < 0 || code.readInt32LE() < 0)
      throw new TsnetError('invalid', 'archive', `the archive cannot be decompressed: ${problem}`)
    return this.#out.subarray(0, length)
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) this.#library.close(this.#file)
    this.#file = null
  }
}

/** The only importer of koffi: libc's functions, and the door through which other sys modules load theirs. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { LibraryHandle } from 'koffi'
import { SyscallError } from './errno.ts'

/**
 * koffi's native module without its JavaScript, which only adds warnings about old names, and reads every property of
 * node's util and fs on its way: 8 ms that each container's init would pay again.
 */
function loadKoffi(): typeof import('koffi') {
  const path = findKoffi()
  return createRequire(path)(path)
}

/** Where node's own search for a package would find it, which takes 2 ms. Throws when it was not installed. */
function findKoffi(): string {
  const inside = `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = `${folder}/${inside}`
    if (existsSync(path)) return path
    if (folder === '/')
      throw new Error(`${inside} is neither in ${import.meta.dirname} nor above: run npm ci`)
  }
}

const koffi = loadKoffi()

export const libc = koffi.load('libc.so.6')

/**
 * Loads a shared library, or returns null when this machine does not have it. With `deep` it calls its own functions where node
 * has others of the same names, as of the compression libraries that are part of it (dlopen(3), RTLD_DEEPBIND).
 */
export function loadLibrary(name: string, { deep = false } = {}): LibraryHandle | null {
  try {
    return koffi.load(name, { deep })
  } catch {
    return null
  }
}

/**
 * A function of libc that is declared on its first call: a declaration costs 10 µs, which counts in a short-lived
 * process. `prototype` is C; the types are what koffi takes and returns for it.
 */
export function declare<Arguments extends readonly unknown[], Result>(
  prototype: string,
): (...args: Arguments) => Result {
  let native: ((...args: Arguments) => Result) | null = null
  return (...args) => {
    native ??= libc.func(prototype)
    return native(...args)
  }
}

/** errno of the call that has just failed. After a success it is stale: never read it then. */
export function lastErrno(): number {
  return koffi.errno()
}

/**
 * Returns `result`, or throws a SyscallError when it is negative. `detail` names the object of the call, so that the
 * message reads `mount /x: EBUSY, device or resource busy`.
 */
export function check(result: number, call: string, detail = ''): number {
  if (result < 0) throw new SyscallError(call, koffi.errno(), detail)
  return result
}

export { koffi }

/**
 * Network namespaces. Everything here is synchronous on the main thread: libuv's pool threads stay in the namespace of
 * the thread that started them, so the pool must be warm (`warmThreadPool`) before the first call, and a body run
 * inside a namespace must not start anything asynchronous.
 */
import { openSync, promises, statSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { MS_BIND } from './constants/mount.ts'
import { CLONE_NEWNET } from './constants/sched.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { check, libc } from './libc.ts'
import { mount } from './mount.ts'
import { makePin, removePin } from './pin.ts'
import { raiseDescriptor } from './socket.ts'

const nativeUnshare = libc.func('int unshare(int)')
const nativeSetns = libc.func('int setns(int, int)')

let home: number | null = null

/** The daemon's own network namespace, opened once. */
function homeFd(): number {
  home ??= openSync('/proc/thread-self/ns/net', 'r')
  return home
}

/** Starts libuv's pool threads in the present namespaces. Await it before any `inNetns`. */
export async function warmThreadPool(): Promise<void> {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  await Promise.all(Array.from({ length: threads * 2 }, () => promises.stat('/proc/self/ns/net')))
}

type NotPromise<T> = T extends PromiseLike<unknown> ? never : T

/**
 * Runs `body` with the main thread inside the network namespace `fd` (setns(2)) and returns its value. The body is
 * synchronous by type: a promise does not compile.
 */
export function inNetns<T>(fd: Fd, body: () => NotPromise<T>): NotPromise<T> {
  const back = homeFd()
  check(nativeSetns(fd.number, CLONE_NEWNET), 'setns', 'to a network namespace')
  try {
    return body()
  } finally {
    leave(back)
  }
}

/** Nothing may go on in the wrong namespace: when the way back fails, the process ends, or a driver's thread. */
function leave(back: number): void {
  if (nativeSetns(back, CLONE_NEWNET) < 0) {
    process.stderr.write('tsnet: cannot return to the own network namespace\n')
    if (isMainThread) process.abort()
    process.exit(1)
  }
}

/**
 * Makes a network namespace and pins it at `path` by a bind mount (as ip-netns(8) does), so that it lives without
 * processes. `path` must not exist.
 */
export function createNetns(path: string): Fd {
  makePin(path)
  const back = homeFd()
  try {
    check(nativeUnshare(CLONE_NEWNET), 'unshare', 'CLONE_NEWNET')
    try {
      mount('/proc/thread-self/ns/net', path, '', MS_BIND, '')
      return new Fd(openSync('/proc/thread-self/ns/net', 'r'))
    } finally {
      leave(back)
    }
  } catch (error) {
    removePin(path)
    throw error
  }
}

/** Pins a namespace that processes keep alive, such as `/proc/<pid>/ns/net`, at `path`, which must not exist. */
export function pinNetns(source: string, path: string): Fd {
  makePin(path)
  try {
    mount(source, path, '', MS_BIND, '')
    return openNetns(path)
  } catch (error) {
    removePin(path)
    throw error
  }
}

/** Whether the file stands for a network namespace. */
export function isNetns(fd: Fd): boolean {
  try {
    inNetns(fd, () => undefined)
    return true
  } catch (error) {
    // the mount point itself, with nothing mounted on it
    if (error instanceof SyscallError && error.errnoName === 'EINVAL') return false
    throw error
  }
}

/** Whether the file stands for the namespace that this process lives in. Throws ENOENT when there is none. */
export function isOwnNetns(path: string): boolean {
  return statSync(path).ino === statSync('/proc/self/ns/net').ino
}

/** Runs `body` inside a new network namespace that ends with it. Synchronous, as in `inNetns`. */
export function inNewNetns<T>(body: () => NotPromise<T>): NotPromise<T> {
  const back = homeFd()
  check(nativeUnshare(CLONE_NEWNET), 'unshare', 'CLONE_NEWNET')
  try {
    return body()
  } finally {
    leave(back)
  }
}

/** Opens a pinned namespace. */
export function openNetns(path: string): Fd {
  return new Fd(openSync(path, 'r'))
}

/** Another descriptor of the namespace, for an owner who outlives the first: there may be thousands, so none below 1024. */
export function duplicateNetns(fd: Fd): Fd {
  return new Fd(raiseDescriptor(openSync(`/proc/self/fd/${fd.number}`, 'r')))
}

/** Unpins and removes; safe to repeat. The kernel frees the namespace when its last process and descriptor are gone. */
export const removeNetns = removePin

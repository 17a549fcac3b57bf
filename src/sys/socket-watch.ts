/**
 * Watches idle sockets by the thousand without an object of libuv's for each: SIGIO (fcntl(2), O_ASYNC) says that one of them has
 * become readable, epoll(7) says which.
 */
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLLIN } from './constants/epoll.ts'
import { F_GETFL, F_SETFL, F_SETOWN, O_ASYNC } from './constants/fcntl.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeCreate = declare<[number], number>('int epoll_create1(int)')
const nativeControl = declare<[number, number, number, Buffer], number>(
  'int epoll_ctl(int, int, int, void *)',
)
const nativeWait = declare<[number, Buffer, number, number], number>('int epoll_wait(int, void *, int, int)')
const nativeFcntl = declare<[number, number, number], number>('int fcntl(int, int, int)')

/** struct epoll_event is packed on x86-64 alone: 32 bits of events, then the 64 of `data`, which holds the descriptor. */
const [eventSize, dataAt] = process.arch === 'x64' ? [12, 4] : [16, 8]
const atOnce = 64

export interface Sleeper {
  wake(fd: Fd): void
}

export interface SocketWatch {
  /** Wakes the sleeper once, when the socket has something to read, and watches it no longer then. */
  add(fd: Fd, sleeper: Sleeper): void
  /** Safe to repeat. */
  remove(fd: Fd): void
  close(): void
}

export function openSocketWatch(): SocketWatch {
  using epoll = new DisposableStack()
  const watch = epoll.use(new Fd(check(nativeCreate(EPOLL_CLOEXEC), 'epoll_create1')))
  const sleepers = new Map<number, readonly [Fd, Sleeper]>()
  const events = Buffer.alloc(atOnce * eventSize)
  const entry = Buffer.alloc(eventSize)
  let isLooking = false

  function control(operation: number, fd: Fd): void {
    entry.fill(0).writeUInt32LE(EPOLLIN)
    entry.writeInt32LE(fd.number, dataAt)
    check(nativeControl(watch.number, operation, fd.number, entry), 'epoll_ctl')
  }

  function remove(fd: Fd): void {
    if (!sleepers.delete(fd.number)) return
    control(EPOLL_CTL_DEL, fd)
    setAsync(fd, false)
  }

  function rouse(number: number): void {
    const [fd, sleeper] = sleepers.get(number) ?? []
    if (fd === undefined) return
    remove(fd)
    sleeper?.wake(fd)
  }

  function look(): void {
    isLooking = false
    if (!watch.isOpen) return
    for (;;) {
      const count = check(nativeWait(watch.number, events, atOnce, 0), 'epoll_wait')
      for (let index = 0; index < count; index++) {
        // gone when an earlier one's waking has removed it
        rouse(events.readInt32LE(index * eventSize + dataAt))
      }
      if (count < atOnce) return
    }
  }

  /** What came before a socket was watched has sent no signal. */
  function lookSoon(): void {
    if (isLooking) return
    isLooking = true
    setImmediate(look)
  }

  process.on('SIGIO', look)
  epoll.move()
  return {
    add(fd, sleeper) {
      sleepers.set(fd.number, [fd, sleeper])
      control(EPOLL_CTL_ADD, fd)
      setAsync(fd, true)
      lookSoon()
    },
    remove,
    close() {
      process.off('SIGIO', look)
      sleepers.clear()
      watch.close()
    },
  }
}

function setAsync(fd: Fd, on: boolean): void {
  if (on) check(nativeFcntl(fd.number, F_SETOWN, process.pid), 'fcntl', 'F_SETOWN')
  const flags = check(nativeFcntl(fd.number, F_GETFL, 0), 'fcntl', 'F_GETFL')
  check(nativeFcntl(fd.number, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC), 'fcntl', 'F_SETFL')
}

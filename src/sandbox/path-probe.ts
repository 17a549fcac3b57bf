/** How packets fare from a sandbox to an address: whether they arrive, how long they take, and how long they may be. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type EchoSocket, openEchoSocket, receiveEcho, sendEcho, shortestEcho } from '../sys/echo-socket.ts'
import type { Fd } from '../sys/fd.ts'
import { inNetns } from '../sys/netns.ts'
import { type ReadableWatch, watchReadable } from '../sys/readable.ts'
import { ipFamily } from '../values/ip.ts'

export interface PathReport {
  readonly sent: number
  readonly received: number
  /** Milliseconds there and back, the median; null when nothing came back. */
  readonly latency: number | null
  /** Bytes of the longest packet that arrives uncut, as far as it is no longer than was wanted and one more; null when nothing came back. */
  readonly mtu: number | null
}

const times = 10
const interval = 20
/** Milliseconds that an answer may take. */
const patience = 500
/** Of those by which lengths are tried, when others come sooner. */
const shortestPatience = 150
/** How often each length is tried: some may be lost for other reasons. */
const copies = 3
/** Lengths that are tried at once. */
const atOnce = 16

/** `mtu` is what should pass. Throws SyscallError when the sandbox has no way to `address`. */
export async function probePath(netns: Fd, address: string, mtu: number): Promise<PathReport> {
  using echo = new Echo(netns, address)
  const trips = await measureTrips(echo)
  const latency = trips[trips.length >> 1] ?? null
  return {
    sent: times,
    received: trips.length,
    latency,
    mtu: latency === null ? null : await findMtu(echo, mtu, latency),
  }
}

/** Milliseconds, ascending. */
async function measureTrips(echo: Echo): Promise<number[]> {
  const sequences: number[] = []
  for (let count = 0; count < times; count++) {
    if (count > 0) await sleep(interval)
    sequences.push(echo.send(echo.shortest))
  }
  await echo.settle(sequences, patience)
  return sequences.flatMap((sequence) => echo.answers.get(sequence) ?? []).sort((a, b) => a - b)
}

/** One more than `wanted` when that passes too. */
async function findMtu(echo: Echo, wanted: number, latency: number): Promise<number> {
  const longestOf = (lengths: readonly number[]): Promise<number> =>
    findLongest(echo, lengths, Math.min(patience, Math.max(shortestPatience, 10 * latency)))
  const passed = await longestOf([wanted, wanted + 1])
  if (passed > 0) return passed
  let least = echo.shortest
  for (let most = wanted; most - least > 1; ) {
    const step = Math.ceil((most - least) / (atOnce + 1))
    const steps = Array.from({ length: atOnce }, (_, index) => least + (index + 1) * step)
    const found = await longestOf(steps.filter((length) => length < most))
    least = Math.max(least, found)
    most = Math.min(most, least + step)
  }
  return least
}

/** 0 when none passes. */
async function findLongest(echo: Echo, lengths: readonly number[], wait: number): Promise<number> {
  const tries = lengths.flatMap((length) =>
    Array.from({ length: copies }, () => ({ length, sequence: echo.send(length) })),
  )
  await echo.settle(
    tries.map(({ sequence }) => sequence),
    wait,
  )
  const passed = tries.filter(({ sequence }) => echo.answers.has(sequence))
  return Math.max(0, ...passed.map(({ length }) => length))
}

class Echo implements Disposable {
  /** Milliseconds that each answer took, by the request's number. */
  readonly answers = new Map<number, number>()
  /** bytes */
  readonly shortest: number
  readonly #socket: EchoSocket
  readonly #watch: ReadableWatch
  /** When requests left. */
  readonly #sent = new Map<number, number>()
  #next = 0
  #heard: () => void = () => {}

  constructor(netns: Fd, address: string) {
    const family = ipFamily(address)
    this.shortest = shortestEcho[family]
    this.#socket = inNetns(netns, () => openEchoSocket(family, address))
    this.#watch = watchReadable(this.#socket.fd, () => this.#read())
    this.#watch.unref()
  }

  /** Returns the request's number. */
  send(length: number): number {
    const sequence = this.#next++
    const now = performance.now()
    if (sendEcho(this.#socket, sequence, length)) this.#sent.set(sequence, now)
    return sequence
  }

  /** Resolves when these requests are answered as far as they have left, or after so many milliseconds. */
  async settle(sequences: readonly number[], milliseconds: number): Promise<void> {
    const isOpen = (): boolean =>
      sequences.some((sequence) => this.#sent.has(sequence) && !this.answers.has(sequence))
    const late = new AbortController()
    this.#heard = () => {
      if (!isOpen()) late.abort()
    }
    if (isOpen()) await sleep(milliseconds, undefined, { signal: late.signal }).catch(() => {})
    // What has come while the daemon was busy is in time.
    this.#read()
  }

  #read(): void {
    const now = performance.now()
    for (let sequence = this.#receive(); sequence !== null; sequence = this.#receive()) {
      const sent = this.#sent.get(sequence)
      if (sent !== undefined && !this.answers.has(sequence)) this.answers.set(sequence, now - sent)
    }
    this.#heard()
  }

  /** What others say of a request, as that there is no way, is no answer. */
  #receive(): number | null {
    for (;;) {
      try {
        return receiveEcho(this.#socket)
      } catch {
        // the next one
      }
    }
  }

  [Symbol.dispose](): void {
    this.#watch.stop()
    this.#socket.fd.close()
  }
}

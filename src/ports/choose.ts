/** Which host ports are offered when the user leaves the choice to tsnet. */
import { readFileSync } from 'node:fs'
import type { PortBinding } from '../store/records.ts'

/** First and last port, both included. */
type Span = readonly [first: number, last: number]

const LOWEST = 1024
const HIGHEST = 65_535

/**
 * First ports of candidate ranges of `binding.count`, best first. A fixed binding has one; one with room has those
 * within it; a free one (host port 0) all but the ports that the kernel gives to outgoing connections or reserves,
 * beginning where `cursor` stands.
 */
export function candidatePorts(binding: PortBinding, cursor: number): Iterable<number> {
  const { hostPort, hostPortEnd, count } = binding
  if (hostPort !== 0) return countUp(hostPort, Math.max(hostPort, hostPortEnd - count + 1))
  return freeCandidates(readSpans('ip_local_port_range'), readSpans('ip_local_reserved_ports'), count, cursor)
}

/** Whether the host ports are given one by one, not left to be chosen. */
export function isFixed({ hostPort, hostPortEnd, count }: PortBinding): boolean {
  return hostPort !== 0 && hostPortEnd === hostPort + count - 1
}

function* countUp(first: number, last: number): Generator<number> {
  for (let port = first; port <= last; port++) yield port
}

/**
 * Above the ephemeral ports first, where few services live, then below, and among them when nothing else is left. Each span is
 * gone through once, in a circle.
 */
export function* freeCandidates(
  ephemeral: readonly Span[],
  reserved: readonly Span[],
  count: number,
  cursor: number,
): Generator<number> {
  const [low, high] = ephemeral[0] ?? [HIGHEST + 1, HIGHEST]
  const spans: Span[] = [
    [Math.max(high + 1, LOWEST), HIGHEST],
    [LOWEST, Math.min(low - 1, HIGHEST)],
    [Math.max(low, LOWEST), high],
  ]
  for (const [first, last] of spans) {
    const isInside = cursor >= first && cursor <= last
    const start = isInside ? cursor : first
    yield* allowedStarts(start, last, reserved, count)
    yield* allowedStarts(first, Math.min(start + count - 2, last), reserved, count)
  }
}

/** The host's range of ports for outgoing connections when one of these lies in it and is not kept out of it, else null. */
export function ephemeralConflict(first: number, count: number): Span | null {
  const [range] = readSpans('ip_local_port_range')
  const last = first + count - 1
  if (range === undefined || first > range[1] || last < range[0]) return null
  const reserved = readSpans('ip_local_reserved_ports')
  return reserved.some(([from, to]) => from <= first && to >= last) ? null : range
}

function* allowedStarts(
  first: number,
  last: number,
  reserved: readonly Span[],
  count: number,
): Generator<number> {
  for (let port = first; port + count - 1 <= last; port++) {
    const hit = reserved.find(([from, to]) => port <= to && port + count - 1 >= from)
    if (hit === undefined) yield port
    else port = hit[1]
  }
}

/** `32768 60999`, `8080,9000-9100` or nothing, as in ip-sysctl of the kernel's documentation. */
function readSpans(name: string): Span[] {
  const text = readFileSync(`/proc/sys/net/ipv4/${name}`, 'latin1').trim()
  if (text === '') return []
  return text.replace(/\s+/, '-').split(',').map(parseSpan)
}

function parseSpan(text: string): Span {
  const [first = '', last = first] = text.split('-')
  return [Number(first), Number(last)]
}

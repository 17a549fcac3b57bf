/** Answers from the names that are known here. */
import { addressRecord, pointerRecord, type Query, reply } from './message.ts'
import type { Addresses } from './names.ts'
import { rcode, recordType } from './wire.ts'

/**
 * Seconds. Addresses move when containers are replaced, so caches in containers may keep them for a moment only; not 0,
 * which some clients read as "never ask again" and others as "ask for each packet".
 */
const ttl = 5

/** Those addresses that were asked for, none where the name has other records only: "no data". */
export function replyWithAddresses(query: Query, { ipv4, ipv6 }: Addresses): Buffer {
  const wants = (type: number) => query.type === type || query.type === recordType.ANY
  const addresses = [
    ...(wants(recordType.A) ? shuffled(ipv4) : []),
    ...(wants(recordType.AAAA) ? shuffled(ipv6) : []),
  ]
  return reply(
    query,
    rcode.NOERROR,
    addresses.map((address) => addressRecord(address, ttl)),
  )
}

/** The name of an address, where a name was asked for. */
export function replyWithName(query: Query, name: string): Buffer {
  const isWanted = query.type === recordType.PTR || query.type === recordType.ANY
  return reply(query, rcode.NOERROR, isWanted ? [pointerRecord(name, ttl)] : [])
}

/** In random order, so that clients which take the first address spread over all. */
function shuffled(addresses: readonly string[]): string[] {
  const copy = [...addresses]
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1))
    const moved = copy[last]!
    copy[last] = copy[other]!
    copy[other] = moved
  }
  return copy
}

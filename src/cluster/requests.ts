/** Parts of etcd's requests. The numbers are those of its enums (rpc.proto). */
import type { ICompare, IRangeRequest, IRequestOp } from 'etcd3/lib/rpc.js'
import type { Etcd } from './etcd.ts'

const EQUAL = 0
const GREATER = 1
const LESS = 2
const VERSION = 0
const MOD = 2
const VALUE = 3
const LEASE = 4

/** The first key after all that begin with `prefix`, which is not empty and does not end with 0xff. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]! += 1
  return end
}

export const isAbsent = (key: Buffer): ICompare => ({ key, target: VERSION, result: EQUAL, version: 0 })
export const isPresent = (key: Buffer): ICompare => ({ key, target: VERSION, result: GREATER, version: 0 })
/** Nothing stands below the prefix. */
export const isEmpty = (prefix: Buffer): ICompare => ({ ...isAbsent(prefix), range_end: endOf(prefix) })
export const isAt = (key: Buffer, revision: string | number): ICompare => ({
  key,
  target: MOD,
  result: EQUAL,
  mod_revision: revision,
})
/** It was written last at this revision or before. */
export const isNotAfter = (key: Buffer, revision: string): ICompare => ({
  key,
  target: MOD,
  result: LESS,
  mod_revision: String(BigInt(revision) + 1n),
})
export const isValue = (key: Buffer, value: string): ICompare => ({
  key,
  target: VALUE,
  result: EQUAL,
  value: Buffer.from(value),
})
export const isUnder = (key: Buffer, lease: string): ICompare => ({
  key,
  target: LEASE,
  result: EQUAL,
  lease,
})

/** Under a lease, or under none ('0'). */
export const put = (key: Buffer, value: string, lease = '0'): IRequestOp => ({
  request_put: { key, value: Buffer.from(value), lease },
})
export const remove = (key: Buffer): IRequestOp => ({ request_delete_range: { key } })
export const removeAll = (prefix: Buffer): IRequestOp => ({
  request_delete_range: { key: prefix, range_end: endOf(prefix) },
})
export const get = (key: Buffer): IRequestOp => ({ request_range: { key } })
/** `limit` 0 for no limit. */
export const getAll = (prefix: Buffer, limit = 0): IRequestOp => ({
  request_range: { key: prefix, range_end: endOf(prefix), limit },
})

/** Some 400 KiB of endpoints: what a page takes is free again when the next one is there. */
const pageSize = 1000

/** A key below the prefix that was asked for, with its value, and the lease that it stands under, '0' for none. */
export type Pair = readonly [key: string, value: string, lease: string]

interface Page {
  readonly pairs: readonly Pair[]
  readonly revision: number
  /** Where the next one begins, null after the last. */
  readonly next: Buffer | null
}

/**
 * All below a prefix as it was at one revision, which is returned, without values if these are not wanted; in pages, so that neither side has to hold the whole in a
 * message. They come in the order of keys by themselves: asked for it, etcd reads all to its end for each page. Throws what `isCompacted` knows when etcd forgot that revision meanwhile.
 */
export async function readAll(
  etcd: Etcd,
  prefix: Buffer,
  onPage: (page: readonly Pair[]) => void,
  keys_only = false,
): Promise<number> {
  let revision = 0
  for (let key: Buffer | null = prefix; key !== null; ) {
    const page: Page = await readPage(etcd, prefix, { key, revision, keys_only })
    if (revision === 0) revision = page.revision
    onPage(page.pairs)
    key = page.next
  }
  return revision
}

/** Texts alone: a message is not to outlive what is made of it. */
async function readPage(etcd: Etcd, prefix: Buffer, from: IRangeRequest): Promise<Page> {
  const range = { ...from, range_end: endOf(prefix), limit: pageSize }
  const { header, kvs, more } = await etcd.call('range', range)
  const last = kvs.at(-1)
  return {
    pairs: kvs.map(
      ({ key, value, lease }) => [key.toString('utf8', prefix.length), value.toString(), lease] as const,
    ),
    revision: Number(header.revision),
    next: more && last !== undefined ? Buffer.concat([last.key, Buffer.of(0)]) : null,
  }
}

/**
 * Tells the state of this cluster from that of servers that lost their data, were exchanged, or were restored from a copy. Taken as it is, such a state would remove
 * the networks under running containers: whether it may is for the operator to say.
 */
import { randomUUID } from 'node:crypto'
import type { IRangeResponse, ITxnRequest, ITxnResponse } from 'etcd3/lib/rpc.js'
import { get, isAbsent, put } from './requests.ts'

const foreign =
  'its state is not that of the cluster which this host has joined, as after a loss of its data: repair it, or restart the daemon to take it as it is'
const older =
  'its state is older than what this host has seen, as after a restore: restart the daemon to take it as it is'

export class KnownState {
  /** Where the cluster says which one it is, since its first host has joined. */
  readonly #key: Buffer
  #identity = ''
  #newest = 0
  #isOlder = false

  constructor(key: Buffer) {
    this.#key = key
  }

  /** The newest revision that was seen. */
  get newest(): number {
    return this.#newest
  }

  /** Has `ask` ask a server which cluster it is of. Throws when that is another one. */
  async meet(ask: (request: ITxnRequest) => Promise<ITxnResponse>): Promise<void> {
    const fresh = this.#identity === '' ? randomUUID() : ''
    const success = fresh === '' ? [] : [put(this.#key, fresh)]
    const request = { compare: [isAbsent(this.#key)], success, failure: [get(this.#key)] }
    const seen = this.newest
    const answer = await ask(request)
    const found = answer.succeeded ? fresh : answer.responses[0]?.response_range.kvs[0]?.value.toString()
    if (this.#identity === '' && found) this.#identity = found
    if (found !== this.#identity) throw new Error(foreign)
    this.check(answer, seen)
  }

  /** Reads and writes by a majority never see less than was `seen` before them, save when an older copy was restored. Throws then, and from then on. */
  check(response: object, seen: number): void {
    if (this.note(response) < seen) this.#isOlder = true
    this.refuseOlder()
  }

  refuseOlder(): void {
    if (this.#isOlder) throw new Error(older)
  }

  /** Returns the revision of any answer. */
  note(response: object): number {
    const revision = Number((response as IRangeResponse).header.revision)
    this.#newest = Math.max(this.#newest, revision)
    return revision
  }
}

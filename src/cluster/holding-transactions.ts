/** What this host asks of etcd for its holdings: each write with the comparison that keeps it from what is another host's by now. */
import type { IKeyValue, IRequestOp } from 'etcd3/lib/rpc.js'
import type { Etcd } from './etcd.ts'
import { get, isAbsent, isAt, isNotAfter, isUnder, isValue, put, remove } from './requests.ts'

/** etcd takes no more operations in a transaction (--max-txn-ops). */
const largestTransaction = 100
const concurrency = 16

/** `give`: the key goes where it still has the value, or another of this host's. */
export type Wish =
  | { readonly kind: 'put' | 'claim' | 'give'; readonly value: string }
  | { readonly kind: 'remove' }

export type Wished = readonly [key: string, wish: Wish]

interface Job {
  readonly wishes: readonly Wished[]
  run(): Promise<void>
}

export class HoldingTransactions {
  readonly #etcd: Etcd
  readonly #node: string

  constructor(etcd: Etcd, node: string) {
    this.#etcd = etcd
    this.#node = node
  }

  /**
   * Puts a key that is nobody else's, and returns the value that stands there in the end. What names this host is its own, from before it was
   * restarted. Throws as calls do.
   */
  async claim(name: string, value: string, lease: string): Promise<string> {
    const key = this.#etcd.key(name)
    const set = put(key, value, lease)
    const first = { compare: [isAbsent(key)], success: [set], failure: [get(key)] }
    for (let answer = await this.#etcd.call('txn', first); ; ) {
      if (answer.succeeded) return value
      const there: IKeyValue | undefined = answer.responses[0]?.response_range.kvs[0]
      if (there === undefined) {
        answer = await this.#etcd.call('txn', first)
        continue
      }
      const standing = there.value.toString()
      const isOwn = standing === value || there.lease === lease || holderOf(standing) === this.#node
      if (!isOwn) return standing
      if (standing === value && there.lease === lease) return value
      const compare = [isAt(key, there.mod_revision)]
      answer = await this.#etcd.call('txn', { compare, success: [set], failure: [get(key)] })
    }
  }

  /**
   * Writes what is wished, some at a time. Calls `onTaken` with what stands where a claim has come too late, `onFailure` with what has not
   * arrived; returns the errors of that.
   */
  async write(
    wishes: readonly Wished[],
    lease: string,
    onTaken: (key: string, value: string, standing: string) => void,
    onFailure: (unwritten: readonly Wished[]) => void,
  ): Promise<unknown[]> {
    const claim = async (key: string, value: string): Promise<void> => {
      const standing = await this.claim(key, value, lease)
      if (standing !== value) onTaken(key, value, standing)
    }
    const compared = wishes.flatMap((entry): Job[] => {
      const [key, wish] = entry
      if (wish.kind === 'claim') return [{ wishes: [entry], run: () => claim(key, wish.value) }]
      return wish.kind === 'give' ? [{ wishes: [entry], run: () => this.#give(key, wish.value, lease) }] : []
    })
    return await inTurns([...this.#together(wishes, lease), ...compared], onFailure)
  }

  /** What needs no comparison, many in each. */
  #together(wishes: readonly Wished[], lease: string): Job[] {
    const operations = wishes.flatMap((entry): { entry: typeof entry; operation: IRequestOp }[] => {
      const [key, wish] = entry
      if (wish.kind === 'put') return [{ entry, operation: put(this.#etcd.key(key), wish.value, lease) }]
      return wish.kind === 'remove' ? [{ entry, operation: remove(this.#etcd.key(key)) }] : []
    })
    const jobs: Job[] = []
    for (let at = 0; at < operations.length; at += largestTransaction) {
      const part = operations.slice(at, at + largestTransaction)
      const success = part.map(({ operation }) => operation)
      jobs.push({
        wishes: part.map(({ entry }) => entry),
        run: async () => void (await this.#etcd.call('txn', { success })),
      })
    }
    return jobs
  }

  async #give(name: string, value: string, lease: string): Promise<void> {
    const key = this.#etcd.key(name)
    const success = [remove(key)]
    const isOfLease = { compare: [isUnder(key, lease)], success }
    const failure = [{ request_txn: isOfLease }]
    await this.#etcd.call('txn', { compare: [isValue(key, value)], success, failure })
  }

  /** Removes those that stand under the lease since `revision` or longer. Throws as calls do. */
  async removeOlder(names: readonly string[], lease: string, revision: string): Promise<void> {
    const removal = async (name: string): Promise<void> => {
      const key = this.#etcd.key(name)
      const compare = [isUnder(key, lease), isNotAfter(key, revision)]
      await this.#etcd.call('txn', { compare, success: [remove(key)] })
    }
    const jobs = names.map((name): Job => ({ wishes: [], run: () => removal(name) }))
    const [error] = await inTurns(jobs, () => {})
    if (error !== undefined) throw error
  }
}

/** Values begin with the name of the host that they stand for. */
export const holderOf = (value: string): string => value.split(' ', 1)[0]!

/** Runs jobs, some at a time; hands over what failed ones were to write, and returns their errors. */
async function inTurns(
  jobs: readonly Job[],
  onFailure: (wishes: readonly Wished[]) => void,
): Promise<unknown[]> {
  const errors: unknown[] = []
  const rest = jobs.values()
  const worker = async () => {
    for (const job of rest) {
      try {
        if (errors.length > 0) throw errors[0]
        await job.run()
      } catch (error) {
        errors.push(error)
        onFailure(job.wishes)
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return errors
}

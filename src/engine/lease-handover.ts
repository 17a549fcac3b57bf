/** Tells the supervisor of this host's lease ahead of time, for it may be killed at any instruction: it keeps the lease when the daemon is gone. */
import type { ClusterEndpoint, LeaseKeeper } from '../cluster/cluster.ts'
import type { ClusterUrl } from '../cluster/url.ts'
import { errorMessage } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Supervisor } from '../supervisor/client.ts'
import type { KeepParams, Method, Methods } from '../supervisor/protocol.ts'
import type { EndpointId } from '../values/id.ts'

export interface HandoverParts {
  readonly url: ClusterUrl
  readonly store: Store
  readonly supervisor: Supervisor
  readonly log: Logger
}

/** What is kept of a lease beyond the daemon's end. One of another length is not gone on with. */
interface KeptLease {
  readonly id: string
  readonly ttl: number
}
const setting = 'cluster-lease'

export class LeaseHandover implements LeaseKeeper {
  readonly former: string
  readonly #parts: HandoverParts
  readonly #endpoints = new Map<EndpointId, string>()
  #lease = ''
  /** Until then the supervisor goes by what the daemon before this one has told. */
  #isRestored = false

  constructor(parts: HandoverParts) {
    this.#parts = parts
    const kept = JSON.parse(parts.store.settings.get(setting) ?? '{"id":""}') as KeptLease
    this.former = kept.ttl === parts.url.ttl ? kept.id : ''
  }

  take(lease: string): void {
    const { store, url } = this.#parts
    this.#lease = lease
    this.tellAll()
    const kept: KeptLease = { id: lease, ttl: url.ttl }
    store.settings.put(setting, JSON.stringify(kept))
  }

  /** All that runs is announced. */
  restored(): void {
    this.#isRestored = true
    this.tellAll()
  }

  add({ id, container }: ClusterEndpoint): void {
    const owner = this.#parts.store.containers.has(container) ? container : ''
    if (this.#endpoints.get(id) === owner) return
    this.#endpoints.set(id, owner)
    if (this.#isRestored) this.#call('keep-for', { endpoint: id, container: owner })
  }

  remove(id: EndpointId): void {
    if (this.#endpoints.delete(id) && this.#isRestored)
      this.#call('keep-for', { endpoint: id, container: null })
  }

  /** Also to a supervisor that has taken another one's place. */
  tellAll(): void {
    if (!this.#isRestored || this.#lease === '') return
    const { url } = this.#parts
    const order: KeepParams = {
      order: JSON.stringify({ url, lease: this.#lease }),
      time: url.ttl * 1000,
      endpoints: [...this.#endpoints],
    }
    this.#call('keep', order)
  }

  #call<M extends Method>(method: M, params: Methods[M]['params']): void {
    this.#parts.supervisor.call(method, params).catch((error: unknown) => {
      // Another supervisor is told all; one of an older version has refused the lease itself.
      if (method !== 'keep') return
      this.#parts.log.warn({ err: errorMessage(error) }, 'the lease will end with this daemon')
    })
  }
}

/** The set of networks, changed by one host at a time, so that names, pools and VNIs cannot pass each other. */
import { setTimeout as sleep } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import type { ClusterEndpoint } from './cluster.ts'
import type { Etcd } from './etcd.ts'
import { networkKey, networkNameKey, networksGeneration } from './keys.ts'
import { get, getAll, isAbsent, isAt, isEmpty, isPresent, put, remove, removeAll } from './requests.ts'

/** So many endpoints are named when a network cannot be removed. */
const shown = 20

export class Networks {
  readonly #etcd: Etcd
  readonly #node: string
  /** Creates of this host wait for each other, so that only other hosts can be quicker. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(etcd: Etcd, node: string) {
    this.#etcd = etcd
    this.#node = node
  }

  create(build: (present: readonly NetworkRecord[]) => NetworkRecord): Promise<NetworkRecord> {
    const before = Promise.race([this.#last, sleep(this.#etcd.patience, undefined, { ref: false })])
    const created = before.then(() => this.#create(build))
    this.#last = created.catch(() => {})
    return created
  }

  async #create(build: (present: readonly NetworkRecord[]) => NetworkRecord): Promise<NetworkRecord> {
    for (let tried: NetworkRecord | null = null; ; ) {
      const { present, generation } = await this.#read()
      // a call that was repeated has done it the first time
      const done = tried === null ? undefined : present.find(({ id }) => id === tried?.id)
      if (done !== undefined) return done
      const network = build(present)
      checkUnique(network, present)
      if (await this.#add(network, generation)) return network
      tried = network
    }
  }

  async #read(): Promise<{ present: NetworkRecord[]; generation: string }> {
    const success = [get(this.#etcd.key(networksGeneration)), getAll(this.#etcd.key(networkKey('')))]
    const { responses } = await this.#etcd.call('txn', { success })
    const [generation, networks] = responses.map(({ response_range }) => response_range.kvs)
    return {
      present: (networks ?? []).map(({ value }) => JSON.parse(value.toString()) as NetworkRecord),
      generation: generation?.[0]?.mod_revision ?? '0',
    }
  }

  async #add(network: NetworkRecord, generation: string): Promise<boolean> {
    const [key, name] = this.#keys(network)
    const raised = this.#etcd.key(networksGeneration)
    const compare = [isAt(raised, generation), isAbsent(key), isAbsent(name)]
    const success = [put(key, JSON.stringify(network)), put(name, network.id), put(raised, this.#node)]
    return (await this.#etcd.call('txn', { compare, success })).succeeded
  }

  #keys({ id, name }: Pick<NetworkRecord, 'id' | 'name'>): [Buffer, Buffer] {
    return [this.#etcd.key(networkKey(id)), this.#etcd.key(networkNameKey(name))]
  }

  async remove(network: NetworkRecord): Promise<void> {
    const [key, name] = this.#keys(network)
    const endpoints = this.#etcd.key(`endpoints/${network.id}/`)
    const claims = ['blocks', 'addresses', 'names'].map((kind) => this.#etcd.key(`${kind}/${network.id}/`))
    const success = [remove(key), remove(name), ...claims.map(removeAll)]
    for (;;) {
      const compare = [isPresent(key), isEmpty(endpoints)]
      const failure = [get(key), getAll(endpoints, shown)]
      const { succeeded, responses } = await this.#etcd.call('txn', { compare, success, failure })
      if (succeeded) return
      const [there, present] = responses.map(({ response_range }) => response_range)
      if (there === undefined || present === undefined || there.kvs.length === 0) return
      const all = present.kvs.map(({ value }) => JSON.parse(value.toString()) as ClusterEndpoint)
      this.#checkUnused(network, all, Number(present.count))
      // this host's own are from before its last start: the engine knows of none
      await this.#etcd.call('txn', { success: present.kvs.map((pair) => remove(pair.key)) })
    }
  }

  #checkUnused({ name }: NetworkRecord, endpoints: readonly ClusterEndpoint[], count: number): void {
    const others = endpoints.filter(({ node }) => node !== this.#node)
    if (others.length === 0) return
    const list = others.map((each) => `${each.containerName} on ${each.node}`)
    if (count > endpoints.length) list.push(`and ${count - endpoints.length} more`)
    throw new TsnetError(
      'forbidden',
      'network-in-use',
      `error while removing network: network ${name} has active endpoints on other hosts: ${list.join(', ')}`,
    )
  }
}

function checkUnique(network: NetworkRecord, present: readonly NetworkRecord[]): void {
  if (present.some(({ name }) => name === network.name)) {
    throw new TsnetError('conflict', 'network-exists', `network with name ${network.name} already exists`)
  }
  if (present.some(({ id }) => id === network.id)) {
    throw new TsnetError('conflict', 'network-exists', `network with id ${network.id} already exists`)
  }
}

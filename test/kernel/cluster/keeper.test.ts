import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Change, ClusterEndpoint, LeaseKeeper } from '../../../src/cluster/cluster.ts'
import { nodeKey } from '../../../src/cluster/keys.ts'
import { parseClusterUrl } from '../../../src/cluster/url.ts'
import { Certificates } from '../../helpers/certificates.ts'
import { endpointOf, eventually, Hosts, networkOf } from '../../helpers/cluster-lab.ts'
import { repository } from '../../helpers/daemon.ts'
import { Etcd } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

const ttl = 3
let certificates: Certificates
let etcd: Etcd
let hosts: Hosts
let url: string
let round = 0
let passwordFile: string

beforeAll(async () => {
  await enterThrowAwayNetns()
  certificates = new Certificates(['127.0.0.1'])
  passwordFile = join(certificates.ca, '..', 'password')
  writeFileSync(passwordFile, 'right\n')
  etcd = await Etcd.start({ tls: certificates })
  await etcd.requirePasswords({ tsnet: 'right' }, '/')
})
afterAll(async () => {
  await etcd?.stop()
  certificates[Symbol.dispose]()
})
beforeEach(() => {
  hosts = new Hosts()
  round += 1
  const { ca, client } = certificates
  const files = { ca, cert: client.cert, key: client.key, 'password-file': passwordFile }
  url = etcd.url({ ttl: String(ttl), prefix: `/test${round}`, user: 'tsnet', ...files })
})
afterEach(async () => {
  await hosts[Symbol.asyncDispose]()
})

/** What stands there, without the prefix. */
const names = async (): Promise<string[]> =>
  [...(await etcd.read(`/test${round}/`)).keys()].map((key) => key.slice(`/test${round}/`.length)).sort()

/** Keeps in mind which lease a host has. */
class Memory implements LeaseKeeper {
  readonly former: string
  taken = ''

  constructor(former = '') {
    this.former = former
  }

  take(lease: string): void {
    this.taken = lease
  }

  add(): void {}
  remove(): void {}
}

describe('a host that comes back to its lease', () => {
  /** Leaves as a daemon that is killed does, and returns its lease. */
  async function leave(keys: readonly string[], endpoints: readonly ClusterEndpoint[] = []): Promise<string> {
    const memory = new Memory()
    const before = await hosts.join(url, 'a', { keeper: memory })
    for (const endpoint of endpoints) before.announce(endpoint)
    for (const key of keys) await before.hold(key, 'a one')
    await before.settled()
    await before.close(true)
    return memory.taken
  }
  const back = async (former: string, name = 'a') => {
    const memory = new Memory(former)
    return { memory, host: await hosts.join(url, name, { id: 'id-a', keeper: memory }) }
  }

  test('goes on with it: what it wants still nobody sees changed, and what else is left goes', async () => {
    const b = await hosts.join(url, 'b')
    const network = await b.createNetwork(() => networkOf('mesh'))
    const [stays, goes] = [endpointOf(network, 'a', 'web'), endpointOf(network, 'a', 'db')]
    const lease = await leave(['names/n/stays', 'names/n/goes'], [stays, goes])
    const mirror = b.endpoints(network.id)
    await mirror.ready()
    const heard: Change<ClusterEndpoint>[] = []
    mirror.subscribe((changes) => heard.push(...changes))
    const { host, memory } = await back(lease)
    expect(memory.taken).toBe(lease)
    host.announce(stays)
    host.holdLater('names/n/stays', 'a one')
    host.prune()
    await eventually(() =>
      expect(heard.map(({ key, value }) => [key, value])).toEqual([[goes.id, undefined]]),
    )
    await eventually(async () => expect(await names()).not.toContain('names/n/goes'))
    expect(await names()).toEqual(expect.arrayContaining([nodeKey('a'), 'names/n/stays']))
  })

  test('has what it takes while the rest goes', async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `names/n/${index}`)
    const { host } = await back(await leave(keys))
    host.prune()
    await Promise.all(
      keys.map(async (key, index) => {
        await sleep(index / 4)
        expect(await host.hold(key, index % 2 === 0 ? 'a one' : 'a two')).toMatch(/^a (one|two)$/)
      }),
    )
    await sleep(100)
    expect(await names()).toEqual(expect.arrayContaining(keys))
  })

  test('has it under another name as well, and its former name is free', async () => {
    const lease = await leave(['names/n/web'])
    const { host } = await back(lease, 'other')
    expect(await host.hold('names/n/web', 'other one')).toBe('other one')
    host.prune()
    await eventually(async () => expect(await names()).not.toContain(nodeKey('a')))
    expect(await names()).toEqual(expect.arrayContaining([nodeKey('other'), 'names/n/web']))
    expect((await hosts.join(url, 'a', { id: 'somebody' })).health().state).toBe('connected')
  })

  test('has a new one when that is no more', async () => {
    const lease = await leave([])
    await etcd.ctl('lease', 'revoke', BigInt(lease).toString(16))
    const { host, memory } = await back(lease)
    expect(host.health()).toMatchObject({ state: 'connected', error: '' })
    expect(memory.taken).not.toBe(lease)
  })
})

describe('the keeper', () => {
  let child: ChildProcess
  let ended: Promise<unknown>

  beforeEach(async () => {
    const memory = new Memory()
    const host = await hosts.join(url, 'a', { keeper: memory })
    await host.close(true)
    child = spawn(process.execPath, [join(repository, 'src/cluster/keeper.ts')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    ended = once(child, 'exit')
    child.stdin?.write(`${JSON.stringify({ url: parseClusterUrl(url), lease: memory.taken })}\n`)
  })
  afterEach(async () => {
    child.stdin?.end()
    await ended
  })

  test('keeps a lease, by the certificates and the password in the files, over a loss of etcd, until its input ends', async () => {
    await etcd.killAll()
    await sleep(500)
    await etcd.launchAll()
    child.kill('SIGTERM')
    // the lease has begun anew with etcd
    await sleep(1.4 * ttl * 1000)
    expect(await names()).toContain(nodeKey('a'))
    child.stdin?.end()
    expect(await ended).toEqual([0, null])
  })

  test('ends when the lease is no more', async () => {
    for (const id of (await etcd.ctl('lease', 'list')).match(/^[0-9a-f]{16}$/gm) ?? [])
      await etcd.ctl('lease', 'revoke', id)
    expect(await ended).toEqual([0, null])
  })
})

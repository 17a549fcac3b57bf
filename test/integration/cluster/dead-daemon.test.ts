/** Each case has a host of its own, which the first host looks at: all take their time together. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive, TestDaemon } from '../../helpers/daemon.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

/** seconds */
const ttl = 4
const cluster = await TestCluster.start({ hosts: 5, parameters: { ttl: String(ttl) } })
const clients = cluster.hosts.map((host) => new TestClient(host))
const [observer] = clients as [TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  await eventually(() => observer.tsnet('network', 'create', '-d', 'overlay', 'mesh'))
  await Promise.all(clients.map((client) => eventually(() => client.inspect('network', 'mesh'))))
  await Promise.all(clients.map((client, index) => client.wait(`w${index + 1}`, '--network', 'mesh')))
  for (const index of [2, 3, 4, 5]) await eventually(() => ping(`w${index}`))
})
afterAll(() => cluster.stop())

const ping = (target: string) => observer.inside('w1', `ping -c1 -W1 ${target}`)
const nodes = async () => (await observer.tsnet('node', 'ls', '-q')).split('\n')
/** What the first host knows of another one: itself, and its containers with all that is theirs. */
async function viewOf(host: string): Promise<string> {
  const line = await observer.tsnet('node', 'ls', '--filter', `name=${host}`)
  const { body } = await observer.daemon.api('GET', '/networks/mesh?verbose=true')
  return `${line}\n${JSON.stringify((body as { Hosts: Record<string, object> }).Hosts[host])}`
}
const pidOf = async (client: TestClient, container: string) =>
  (await client.inspect('container', container)).State.Pid

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
const parentOf = (pid: string) => Number(/\nPPid:\s*(\d+)/.exec(read(`/proc/${pid}/status`))?.[1])

/** Children of a supervisor that stand in for the daemon. */
function keepers(supervisor: number): number[] {
  return readdirSync('/proc')
    .filter((pid) => parentOf(pid) === supervisor && read(`/proc/${pid}/cmdline`).includes('keeper.mjs'))
    .map(Number)
}
/** The only one, which is not `former`. */
async function keeperAfter(supervisor: number, former = 0): Promise<number> {
  return await eventually(() => {
    const [pid = 0, ...others] = keepers(supervisor)
    if (pid === 0 || pid === former || others.length > 0) throw new Error(`keepers: ${[pid, ...others]}`)
    return pid
  })
}

/** Looks again and again for so many times the lease's length. */
async function throughout(times: number, look: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + times * ttl * 1000
  while (performance.now() < end) {
    await look()
    await sleep(200)
  }
}

describe.concurrent('a host whose daemon is dead for longer than its lease', () => {
  it('is missed by nobody, nor is what it has, before and after the daemon is back; others are refused its name', async () => {
    const client = clients[1]!
    const { daemon } = client
    const address = await client.addressOf('w2', 'mesh')
    const before = await viewOf('h2')
    await daemon.kill()
    await throughout(2, async () => {
      await ping(address)
      await ping('w2')
      expect(await viewOf('h2')).toBe(before)
    })
    const namesake = cluster.join((flags, prepare) =>
      TestDaemon.start([...flags, '--node-name', 'h2'], {}, '', prepare),
    )
    await expect(namesake).rejects.toThrow('node name h2 is taken by the host at 10.99.0.12')
    await observer.wait('more', '--network', 'mesh')
    await daemon.launch()
    const events = await EventReader.open(daemon, { type: ['network'] })
    await throughout(1.2, async () => {
      await ping('w2')
      await client.inside('w2', 'for name in w1 more; do ping -c1 -W1 $name || exit 1; done')
      expect(keepers(daemon.supervisorPid())).toEqual([])
    })
    expect(events.seen).toEqual([])
    events.close()
  })

  it('is not missed when it was ended and its keeper is killed, and comes back under another name at once', async () => {
    const { daemon } = clients[2]!
    const supervisor = daemon.supervisorPid()
    await daemon.terminate()
    const first = await keeperAfter(supervisor)
    process.kill(first, 'SIGKILL')
    await keeperAfter(supervisor, first)
    await throughout(1.2, () => ping('w3'))
    await daemon.launch({}, [...daemon.flags, '--node-name', 'renamed'])
    await ping('w3')
    await eventually(async () => expect(await nodes()).toContain('renamed'))
    const former = () => cluster.etcd.read('/tsnet/')
    await eventually(async () =>
      expect([...(await former())].filter((entry) => /\bh3\b/.test(entry.join(' ')))).toEqual([]),
    )
    await ping('w3')
    expect(keepers(supervisor)).toEqual([])
  })

  it('is forgotten with the last of its containers on networks of the cluster', async () => {
    const client = clients[3]!
    const supervisor = client.daemon.supervisorPid()
    await client.wait('elsewhere')
    await client.wait('store', '--network', 'mesh')
    const pids = { w4: await pidOf(client, 'w4'), store: await pidOf(client, 'store') }
    await client.daemon.kill()
    await keeperAfter(supervisor)
    process.kill(pids.w4, 'SIGKILL')
    await throughout(1.2, () => ping('store'))
    expect(await viewOf('h4')).toContain('"w4"')
    process.kill(pids.store, 'SIGKILL')
    await eventually(() => expect(keepers(supervisor)).toEqual([]))
    await eventually(async () => expect(await nodes()).not.toContain('h4'))
    await client.daemon.launch()
    await eventually(async () => expect(await nodes()).toContain('h4'))
    expect(await viewOf('h4')).toMatch(/\nundefined$/)
  })

  it('is forgotten when its supervisor is killed too, and has a new one keep its lease the next time', async () => {
    const { daemon } = clients[4]!
    const former = daemon.supervisorPid()
    await daemon.kill()
    await keeperAfter(former)
    process.kill(former, 'SIGKILL')
    await eventually(async () => expect(await nodes()).not.toContain('h5'))
    expect(keepers(former)).toEqual([])
    await daemon.launch()
    await eventually(() => ping('w5'))
    const second = daemon.supervisorPid()
    process.kill(second, 'SIGKILL')
    await eventually(() => expect(daemon.supervisorPid()).not.toBe(second))
    await clients[4]!.inside('w5', 'true')
    await daemon.kill()
    await throughout(1.2, () => ping('w5'))
  })
})

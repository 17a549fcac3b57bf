import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive, TestDaemon } from '../../helpers/daemon.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

const ttl = 3
const cluster = await TestCluster.start({ hosts: 2, parameters: { ttl: String(ttl) } })
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b] = clients as [TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
  await eventually(() => b.inspect('network', 'mesh'))
  await a.wait('web', '--network', 'mesh')
})
beforeEach(async () => {
  await b.wait('db', '--network', 'mesh')
  await eventually(() => ping('db'))
})
afterEach(async () => {
  cluster.etcd.resumeAll()
  if (b.daemon.pid === 0) await b.daemon.launch()
  await eventually(async () => expect(await stateOf(b)).toBe('connected'))
  await b.clear()
  expect(keepers()).toEqual([])
})
afterAll(() => cluster.stop())

const stateOf = async ({ daemon }: TestClient) =>
  ((await daemon.api('GET', '/info')).body as { TsnetCluster: { State: string } }).TsnetCluster.State
const ping = (target: string) => a.inside('web', `ping -c1 -W1 ${target} 2>&1 `)
const nodes = () => a.tsnet('node', 'ls', '-q')
/** What the first host knows of all. */
const view = async (): Promise<string> =>
  `${await a.tsnet('node', 'ls')}\n${await a.tsnet('network', 'inspect', '--verbose', 'mesh')}`
const pidOf = async (container: string) => (await b.inspect('container', container)).State.Pid

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
const parentOf = (pid: string) => Number(/\nPPid:\s*(\d+)/.exec(read(`/proc/${pid}/status`))?.[1])

/** What stands in for the second host's daemon: children of its supervisor. */
function keepers(supervisor = b.daemon.supervisorPid()): number[] {
  return readdirSync('/proc')
    .filter((pid) => parentOf(pid) === supervisor && read(`/proc/${pid}/cmdline`).includes('keeper.mjs'))
    .map(Number)
}
async function keeper(): Promise<number> {
  return await eventually(() => {
    const [pid, ...others] = keepers()
    if (pid === undefined || others.length > 0) throw new Error(`keepers: ${[pid, ...others]}`)
    return pid
  })
}
const gone = () => eventually(() => expect(keepers()).toEqual([]))

/** Looks again and again for so many times the lease's length. */
async function throughout(times: number, look: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + times * ttl * 1000
  while (performance.now() < end) {
    await look()
    await sleep(100)
  }
}

describe('a host whose daemon is dead for longer than its lease', () => {
  it('is missed by nobody, nor is what it has, before and after the daemon is back; its name is refused to others', async () => {
    const address = await b.addressOf('db', 'mesh')
    const before = await view()
    await b.daemon.kill()
    await throughout(3, async () => {
      await ping(address)
      await ping('db')
      expect(await view()).toBe(before)
    })
    const namesake = cluster.join((flags, prepare) =>
      TestDaemon.start([...flags, '--node-name', 'h2'], {}, '', prepare),
    )
    await expect(namesake).rejects.toThrow('node name h2 is taken by the host at 10.99.0.12')
    await a.wait('more', '--network', 'mesh')
    await b.daemon.launch()
    const events = await EventReader.open(b.daemon, { type: ['network'] })
    await throughout(1.2, async () => {
      await ping('db')
      await b.inside('db', 'for n in web more; do ping -c1 -W1 $n 2>&1 || exit 1; done')
      expect(keepers()).toEqual([])
    })
    expect(events.seen).toEqual([])
    events.close()
    await a.remove('more')
  })

  it('is not missed either when it was ended, its keeper is killed, or etcd is away meanwhile', async () => {
    await b.daemon.terminate()
    const first = await keeper()
    process.kill(first, 'SIGKILL')
    await eventually(async () => expect(await keeper()).not.toBe(first))
    await cluster.etcd.killAll()
    await sleep(ttl * 1000)
    await cluster.etcd.launchAll()
    await eventually(async () => expect(await stateOf(a)).toBe('connected'))
    await throughout(1.2, () => ping('db'))
  })

  it('is forgotten with the last of its containers on networks of the cluster', async () => {
    await b.wait('elsewhere')
    await b.wait('store', '--network', 'mesh')
    const pids = [await pidOf('db'), await pidOf('store')] as const
    await b.daemon.kill()
    await keeper()
    process.kill(pids[0], 'SIGKILL')
    await throughout(1.2, () => ping('store'))
    expect(await a.tsnet('network', 'inspect', '--verbose', 'mesh')).toContain('"db"')
    process.kill(pids[1], 'SIGKILL')
    await gone()
    await eventually(async () => expect(await nodes()).toBe('h1'))
    await b.daemon.launch()
    await eventually(async () => expect(await nodes()).toBe('h1\nh2'))
    expect(await a.tsnet('network', 'inspect', '--verbose', 'mesh')).not.toContain('"db"')
  })

  it('is forgotten when nobody is left to keep its lease, or the lease is gone, and claims all anew', async () => {
    await b.daemon.kill()
    await keeper()
    const supervisor = b.daemon.supervisorPid()
    process.kill(supervisor, 'SIGKILL')
    await eventually(async () => expect(await nodes()).toBe('h1'))
    expect(keepers(supervisor)).toEqual([])
    await b.daemon.launch()
    await eventually(() => ping('db'))
    await b.daemon.kill()
    await keeper()
    for (const id of (await cluster.etcd.ctl('lease', 'list')).match(/^[0-9a-f]{16}$/gm) ?? [])
      await cluster.etcd.ctl('lease', 'revoke', id)
    await gone()
    await b.daemon.launch()
    await eventually(() => ping('db'))
  })
})

describe('a daemon that is restarted', () => {
  it('has its supervisor keep the lease again after that was killed', async () => {
    process.kill(b.daemon.supervisorPid(), 'SIGKILL')
    await eventually(() => b.inside('db', 'true'))
    await b.daemon.kill()
    await throughout(1.2, () => ping('db'))
  })

  it('has what it had under another name of the host, at once', async () => {
    await b.daemon.kill()
    await b.daemon.launch({}, [...b.daemon.flags, '--node-name', 'renamed'])
    await eventually(async () => expect(await nodes()).toBe('h1\nrenamed'))
    await ping('db')
    const others = [...(await cluster.etcd.read('/tsnet/'))].filter((entry) => /\bh2\b/.test(entry.join(' ')))
    expect(others).toEqual([])
    await b.daemon.kill()
    await b.daemon.launch()
    await throughout(1.2, () => ping('db'))
    expect(await nodes()).toBe('h1\nh2')
  })
})

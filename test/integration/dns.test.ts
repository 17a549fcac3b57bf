import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Fd } from '../../src/sys/fd.ts'
import { openNetns } from '../../src/sys/netns.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { addressesOf, answerWith, ask, FakeServer, type Respond } from '../helpers/dns-lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-names-'))
const resolvConf = join(directory, 'resolv.conf')
/** The host's servers, on its loopback as systemd-resolved is. */
const [first, second] = ['127.0.0.53', '127.0.0.54']
const forHost = '127.0.0.60'

writeFileSync(resolvConf, `nameserver ${first}\nsearch corp.example\n`)
const daemon = await TestDaemon.start([`--dns-host-listen=${forHost}`], {}, resolvConf)
const client = new TestClient(daemon)
const { docker, refusal, inspect, wait, inside, addressOf } = client

/** Every name has this address, and none of IPv6. */
function world(address: string): Respond {
  return (query, send, raw) =>
    query.questions![0]!.type === 'A' ? answerWith(address, 300)(query, send, raw) : send({})
}

let host: Fd
let servers: FakeServer[]

/** The network namespace of a running container. */
async function netnsOf(container: string): Promise<Fd> {
  return openNetns(`/proc/${(await inspect('container', container)).State.Pid}/ns/net`)
}

/** What 127.0.0.11 answers inside a container, without a search list. */
async function addressesFor(container: string, name: string): Promise<string> {
  using netns = await netnsOf(container)
  return addressesOf(await ask(netns, name)).join(' ')
}

/** Until a container's file holds that text, for two seconds at most. */
async function untilFile(container: string, file: string, text: string): Promise<string> {
  for (let i = 0; i < 40; i++) {
    const content = await inside(container, `cat ${file}`)
    if (content.includes(text)) return content
    await delay(50)
  }
  return inside(container, `cat ${file}`)
}

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await docker('network', 'create', '--subnet', '10.60.0.0/24', 'named')
  await docker('network', 'create', '--internal', '--subnet', '10.61.0.0/24', 'inner')
  host = openNetns(`/run/netns/${daemon.netns}`)
  servers = [
    await FakeServer.start(first!, world('192.0.2.1'), host),
    await FakeServer.start(second!, world('192.0.2.2'), host),
  ]
})
afterEach(client.clear)
afterAll(async () => {
  for (const server of servers) server.close()
  host.close()
  await daemon.stop()
  rmSync(directory, { recursive: true })
})

describe('links', () => {
  it('on the default network are in the hosts file, and follow their target', async () => {
    const id = await wait('target')
    await wait('linking', '--link', 'target:front', '--link', id)
    const address = await addressOf('target', 'bridge')
    expect(await inside('linking', 'cat /etc/hosts')).toContain(
      `${address}\tfront ${id.slice(0, 12)} target\n`,
    )
    expect(await addressesFor('linking', 'front')).toBe(address)
    expect((await inspect('container', 'linking')).HostConfig.Links).toEqual([
      '/target:/linking/front',
      `/${id}:/linking/${id}`,
    ])
    // another takes its address meanwhile
    await docker('stop', '-t', '0', 'target')
    await docker('network', 'create', 'elsewhere')
    await docker('network', 'disconnect', 'bridge', 'target')
    await wait('usurper')
    await docker('network', 'connect', 'bridge', 'target')
    await docker('start', 'target')
    const now = await addressOf('target', 'bridge')
    expect(await untilFile('linking', '/etc/hosts', `${now}\tfront`)).toContain(`${now}\tfront `)
    expect(await addressesFor('linking', 'front')).toBe(now)
    await docker('network', 'rm', 'elsewhere')
  })

  it('leave a hosts file alone that the container has changed', async () => {
    await wait('target')
    await wait('linking', '--link', 'target:front')
    await inside('linking', 'echo 192.0.2.77 mine >> /etc/hosts')
    const before = await inside('linking', 'cat /etc/hosts')
    await docker('network', 'connect', 'named', 'linking')
    await docker('restart', '-t', '0', 'target')
    await delay(300)
    expect(await inside('linking', 'cat /etc/hosts')).toBe(before)
    await docker('restart', '-t', '0', 'linking')
    expect(await inside('linking', 'cat /etc/hosts')).not.toContain('mine')
  })

  it('on other networks are names of the linking container alone', async () => {
    await wait('target', '--network', 'named')
    await wait('linking', '--network', 'named', '--link', 'target:front')
    await wait('other', '--network', 'named')
    const address = await addressOf('target', 'named')
    for (const name of ['front', 'front.named', 'target'])
      expect(await addressesFor('linking', name)).toBe(address)
    // to the others it is a name of the world
    expect(await addressesFor('other', 'front')).not.toContain(address)
    expect((await inspect('container', 'linking')).HostConfig.Links).toBeNull()
  })

  it('on the default network need a target that runs, and is there', async () => {
    await wait('target')
    await wait('away', '--network', 'named')
    await docker('create', '--name', 'linking', '--link', 'target:front', 'box', 'true')
    await docker('stop', '-t', '0', 'target')
    expect(await refusal('start', 'linking')).toContain(
      'Cannot link to a non running container: /target AS /linking/front',
    )
    await docker('start', 'target')
    await docker('start', 'linking')
    expect(await refusal('run', '--link', 'missing:x', 'box', 'true')).toContain(
      'could not get container for missing: No such container: missing',
    )
    expect(await refusal('run', '--link', 'away:x', 'box', 'true')).toContain(
      'Cannot link to /away, as it does not belong to the default network',
    )
    await docker('rm', '-f', 'target')
    expect(await refusal('start', 'linking')).toContain('Cannot link to a non running container: /target AS')
  })

  it('are not for containers on the host’s network', async () => {
    // Docker's older clients refuse it themselves.
    const { stderr } = await daemon.tsnet('run', '--network', 'host', '--link', 'a:b', 'box', 'true')
    expect(stderr).toContain("conflicting options: host type networking can't be used with links")
  })
})

describe('the host’s servers', () => {
  it('are asked from the host, and a change of resolv.conf counts for the next query and for files', async () => {
    await wait('asker', '--network', 'named')
    await wait('edited', '--network', 'named')
    await inside('edited', 'echo "# mine" >> /etc/resolv.conf')
    expect(await inside('asker', 'cat /etc/resolv.conf')).toMatch(
      /127\.0\.0\.53.*\nnameserver 127\.0\.0\.11\n/,
    )
    expect(await addressesFor('asker', 'www.example')).toBe('192.0.2.1')
    writeFileSync(resolvConf, `nameserver ${second}\nsearch lab.example\n`)
    expect(await addressesFor('asker', 'www.example')).toBe('192.0.2.2')
    expect(await untilFile('asker', '/etc/resolv.conf', 'lab.example')).toContain('\nsearch lab.example\n')
    expect(await inside('edited', 'cat /etc/resolv.conf')).toContain('corp.example')
    writeFileSync(resolvConf, `nameserver ${first}\nsearch corp.example\n`)
    await untilFile('asker', '/etc/resolv.conf', 'corp.example')
  })

  it('hear nothing from internal networks', async () => {
    await wait('hidden', '--network', 'inner')
    await wait('peer', '--network', 'inner')
    using netns = await netnsOf('hidden')
    const before = servers.map(({ seen }) => seen.length)
    for (const name of ['secret.example', 'secret', '9.9.9.9.in-addr.arpa']) {
      for (const type of ['A', 'AAAA', 'TXT', 'PTR'])
        expect((await ask(netns, name, type)).rcode).toBe('SERVFAIL')
    }
    expect(addressesOf(await ask(netns, 'peer'))).toEqual([await addressOf('peer', 'inner')])
    expect(await inside('hidden', 'cat /etc/resolv.conf')).toContain('forwards to nobody')
    await docker('network', 'connect', 'named', 'hidden')
    expect(await inside('hidden', 'cat /etc/resolv.conf')).toContain(`forwards to ${first}.`)
    await docker('network', 'disconnect', 'named', 'hidden')
    expect(await inside('hidden', 'cat /etc/resolv.conf')).toContain('forwards to nobody')
    expect(servers.map(({ seen }) => seen.length)).toEqual(before)
  })

  it('are not asked where the container has its own, which may be on an internal network', async () => {
    await wait('server', '--network', 'inner', '--ip', '10.61.0.53')
    using netns = await netnsOf('server')
    const own = await FakeServer.start('10.61.0.53', world('192.0.2.9'), netns)
    await wait('asker', '--network', 'inner', '--dns', '10.61.0.53')
    expect(await addressesFor('asker', 'only-inside.example')).toBe('192.0.2.9')
    expect(servers.flatMap(({ seen }) => seen)).not.toContain('only-inside.example')
    own.close()
  })

  it('hear no bare name of a container that asks for a search list first', async () => {
    const options = ['--dns-option', 'ndots:1', '--dns-search', 'corp.example']
    await wait('asker', '--network', 'named', ...options)
    expect(await inside('asker', 'cat /etc/resolv.conf')).toMatch(/search corp\.example\noptions ndots:1$/)
    using netns = await netnsOf('asker')
    const answer = await ask(netns, 'printer')
    expect([answer.rcode, addressesOf(answer)]).toEqual(['NOERROR', []])
    expect(servers.flatMap(({ seen }) => seen)).not.toContain('printer')
  })
})

describe('a server of the host’s own', () => {
  it('on port 53 of all addresses is in nobody’s way', async () => {
    const file = join(directory, 'loopback.conf')
    writeFileSync(file, 'nameserver 127.0.0.1\n')
    await using own = await TestDaemon.start([], {}, file)
    const { docker, wait, addressOf, resolve } = new TestClient(own)
    await own.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await own.terminate()
    const dnsmasq = spawn(
      'nsenter',
      [
        ...[
          `--net=/run/netns/${own.netns}`,
          'dnsmasq',
          '--no-daemon',
          '--conf-file=/dev/null',
          '--user=root',
        ],
        ...['--no-resolv', '--no-hosts', '--address=/printer.lan/192.0.2.53'],
      ],
      { stdio: 'ignore' },
    )
    const ended = once(dnsmasq, 'exit')
    try {
      const listening = (): string => own.inNetns('ss', ['-Hlnu', 'sport = :53'])
      await expect.poll(listening, { timeout: 5000 }).toMatch(/0\.0\.0\.0:53[\s\S]*\[::\]:53/)
      await own.launch()
      await docker('network', 'create', '--ipv6', 'both')
      await Promise.all(['one', 'two'].map((name) => wait(name, '--network', 'both')))
      expect(await resolve('one', 'two')).toContain(await addressOf('two', 'both'))
      expect(await resolve('one', 'printer.lan')).toBe('192.0.2.53')
    } finally {
      dnsmasq.kill()
      await ended
    }
  })
})

describe('names for the host', () => {
  it('are those of all containers with their networks', async () => {
    await wait('plain')
    await wait('both', '--network', 'named')
    await docker('network', 'connect', 'inner', 'both')
    const lookUp = async (name: string): Promise<string> =>
      (await daemon.exec('busybox', 'nslookup', name, forHost)).stdout
    for (const [container, network] of [
      ['plain', 'bridge'],
      ['both', 'named'],
      ['both', 'inner'],
    ] as const) {
      const address = await addressOf(container, network)
      expect(await lookUp(`${container}.${network}.tsnet`)).toContain(`Address: ${address}\n`)
      expect(await lookUp(address)).toContain(`name = ${container}.${network}.tsnet`)
    }
    expect(await lookUp('plain.named.tsnet')).toContain('NXDOMAIN')
  })
})

describe('under change', () => {
  it('no lookup is wrong or without an answer while a neighbour comes and goes', async () => {
    await wait('steady', '--network', 'named')
    await wait('asker', '--network', 'named')
    await wait('mover')
    using netns = await netnsOf('asker')
    const steady = await addressOf('steady', 'named')
    let isOver = false
    const cycles = (async () => {
      for (let i = 0; i < 25; i++) {
        const body = { Container: 'mover', EndpointConfig: { IPAMConfig: { IPv4Address: '10.60.0.99' } } }
        await daemon.api('POST', '/networks/named/connect', body)
        await daemon.api('POST', '/networks/named/disconnect', { Container: 'mover' })
      }
      isOver = true
    })()
    let asked = 0
    for (; !isOver; asked++) {
      const [known, moving] = await Promise.all([ask(netns, 'steady'), ask(netns, 'mover.named')])
      expect(addressesOf(known)).toEqual([steady])
      // the world's answer is that of the host's server
      expect(['10.60.0.99', '192.0.2.1']).toContain(addressesOf(moving)[0])
    }
    await cycles
    expect(asked).toBeGreaterThan(10)
  })
})

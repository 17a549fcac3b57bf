import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type DecodedPacket, decode, encode } from 'dns-packet'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Forwarder } from '../../src/dns/forward.ts'
import { listenInside } from '../../src/dns/listener.ts'
import { NameRegistry } from '../../src/dns/names.ts'
import { containerResolvConf } from '../../src/dns/resolv-conf.ts'
import { Resolver } from '../../src/dns/resolve.ts'
import {
  type AnswerListener,
  createNameService,
  type NameService,
  type ResolverOptions,
} from '../../src/dns/server.ts'
import { frame, readFrames } from '../../src/dns/stream.ts'
import { createDnsRedirect } from '../../src/firewall/redirect.ts'
import { createLogger } from '../../src/log.ts'
import type { Fd } from '../../src/sys/fd.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { openInetSocket } from '../../src/sys/socket.ts'
import type { EndpointId, NetworkId } from '../../src/values/id.ts'
import {
  addressesOf,
  answerWith,
  ask,
  askTcp,
  connectTcp,
  type Decoded,
  encodeQuery,
  FakeServer,
  FakeTcpServer,
  failWith,
  type Respond,
  sendUdp,
} from '../helpers/dns-lab.ts'
import { enterThrowAwayNetns, Place } from '../helpers/firewall-lab.ts'

const [front, back] = ['front', 'back'] as NetworkId[] as [NetworkId, NetworkId]
const endpoint = (name: string) => name as EndpointId
/** The host's resolver, as systemd-resolved would stand there. */
const stub = '127.0.0.53'

let directory: string
let dnsmasq: ChildProcess
let place: Place
let names: NameService
let hostServers: string[]
const servers: FakeServer[] = []

const redirect = createDnsRedirect('iptables')
const options = (part: Partial<ResolverOptions> = {}): ResolverOptions => ({
  networks: [front],
  links: [],
  upstreams: [],
  forward: true,
  forwardBareNames: true,
  allows: null,
  onAnswer: null,
  ...part,
})
const sandbox = (of: Place) => ({ id: of.name, netns: of.netns })

async function upstream(address: string, respond: Respond, netns?: Fd): Promise<FakeServer> {
  const server = await FakeServer.start(address, respond, netns)
  servers.push(server)
  return server
}

/** dnsmasq with the zone `test`: a name of both families, one of 60 addresses, and nothing else. */
async function startDnsmasq(): Promise<ChildProcess> {
  const hosts = join(directory, 'hosts')
  const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1} many.test`)
  const lines = ['198.51.100.7 www.test', '2001:db8::7 www.test', '198.51.100.8 v4.test', ...many, '']
  writeFileSync(hosts, lines.join('\n'))
  const flags = [
    '--no-resolv',
    '--no-hosts',
    '--local=/test/',
    '--user=root',
    '--pid-file=',
    '--bind-interfaces',
  ]
  const child = spawn(
    'dnsmasq',
    [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      `--listen-address=${stub}`,
      `--addn-hosts=${hosts}`,
      ...flags,
    ],
    { stdio: 'ignore' },
  )
  await Promise.race([
    listening(stub),
    once(child, 'exit').then(() => Promise.reject(new Error('dnsmasq has ended'))),
  ])
  return child
}

async function listening(address: string): Promise<void> {
  const probe = connect({ host: address, port: 53 })
  try {
    await once(probe, 'connect')
  } catch {
    await delay(10)
    await listening(address)
  } finally {
    probe.destroy()
  }
}

beforeAll(async () => {
  await enterThrowAwayNetns()
  directory = mkdtempSync(join(tmpdir(), 'tsnet-dns-'))
  dnsmasq = await startDnsmasq()
})

afterAll(() => {
  dnsmasq.kill()
  rmSync(directory, { recursive: true })
})

beforeEach(async () => {
  place = new Place('c1', directory)
  hostServers = [stub]
  names = createNameService({ log: createLogger('error'), redirect, upstreams: () => hostServers })
  names.setEndpoint(front, 'front', endpoint('web'), {
    names: ['web', '0123456789ab', 'Www'],
    addresses: ['10.1.0.2', 'fd00:1::2'],
  })
  names.setEndpoint(front, 'front', endpoint('db'), { names: ['db'], addresses: ['10.1.0.3'] })
  names.setEndpoint(back, 'back', endpoint('queue'), { names: ['queue'], addresses: ['10.2.0.9'] })
  await names.open(sandbox(place), options())
})

afterEach(() => {
  names.stop()
  place.close()
  for (const server of servers.splice(0)) server.close()
})

const codeAndAddresses = (answer: Decoded) => [answer.rcode, ...addressesOf(answer)]

describe('programs in a container', () => {
  /** Runs a command in the sandbox with the container's own /etc/resolv.conf and returns what it printed. */
  async function run(...command: string[]): Promise<string> {
    const file = join(directory, 'resolv.conf')
    const host = `nameserver ${stub}\nsearch test\n`
    writeFileSync(file, containerResolvConf({ host, embedded: true, servers: [], search: [], options: [] }))
    const script = `mount --bind ${file} /etc/resolv.conf && exec "$@" 2>&1`
    const args = [`--net=${place.path}`, 'unshare', '-m', 'sh', '-c', script, 'sh', ...command]
    const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
    })
    await once(child, 'close')
    return text
  }

  test('getent finds a neighbour with both of its addresses', async () => {
    const text = await run('getent', 'ahosts', 'web')
    expect(text).toMatch(/^10\.1\.0\.2 /m)
    expect(text).toMatch(/^fd00:1::2 /m)
  })

  test('getent finds a neighbour that has no IPv6 address without waiting for one', async () => {
    const started = performance.now()
    expect(await run('getent', 'ahosts', 'db')).toMatch(/^10\.1\.0\.3 /)
    expect(performance.now() - started).toBeLessThan(1000)
  })

  test('getent tells the name of an address', async () => {
    expect(await run('getent', 'hosts', '10.1.0.2')).toMatch(/web\.front/)
  })

  test('the search list completes names of the host’s domain', async () => {
    expect(await run('getent', 'ahosts', 'www')).toMatch(/^10\.1\.0\.2 /m)
    expect(await run('getent', 'ahosts', 'v4')).toMatch(/^198\.51\.100\.8 /)
  })

  test('busybox nslookup takes the answers', async () => {
    expect(await run('busybox', 'nslookup', 'web.front')).toContain('Address: 10.1.0.2')
    expect(await run('busybox', 'nslookup', 'nothing.test')).toContain('NXDOMAIN')
  })

  test('a container may use port 53 of all its addresses itself', () => {
    for (const type of ['datagram', 'stream'] as const) {
      using fd = inNetns(place.netns, () =>
        openInetSocket({
          family: 4,
          type,
          address: '0.0.0.0',
          port: 53,
          ...(type === 'stream' ? { listen: 1 } : {}),
        }),
      )
      expect(fd.isOpen).toBe(true)
    }
  })
})

describe('names of the networks', () => {
  test.each(['web', 'WEB', 'wWw', '0123456789ab', 'web.front', 'WEB.Front'])(
    '%s is answered',
    async (name) => {
      const answer = await ask(place.netns, name)
      expect(codeAndAddresses(answer)).toEqual(['NOERROR', '10.1.0.2'])
      expect(answer.questions![0]!.name).toBe(name)
      expect(answer.answers![0]).toMatchObject({ name, ttl: 5 })
    },
  )

  // what is asked for by libc and others; a name with any record must never be called missing
  test.each(['AAAA', 'MX', 'TXT', 'SRV', 'SOA', 'NS', 'CAA', 'UNKNOWN_65', 'UNKNOWN_64'])(
    'a name without %s records has no data, and nobody else is asked',
    async (type) => {
      const other = await upstream('127.0.0.54', failWith(3))
      hostServers = [other.address]
      const answer = await ask(place.netns, 'db', type)
      expect([answer.rcode, answer.answers, other.seen]).toEqual(['NOERROR', [], []])
    },
  )

  test('ANY has all addresses', async () => {
    expect(addressesOf(await ask(place.netns, 'web', 'ANY'))).toEqual(['10.1.0.2', 'fd00:1::2'])
  })

  test('PTR names the endpoint with its network in both families', async () => {
    const reverse6 = `2.0.0.0.${'0.'.repeat(20)}1.0.0.0.0.0.d.f.ip6.arpa`
    for (const name of ['2.0.1.10.in-addr.arpa', reverse6]) {
      expect((await ask(place.netns, name, 'PTR')).answers).toMatchObject([
        { type: 'PTR', data: 'web.front' },
      ])
    }
  })

  test('a name of a network that the sandbox is not on is the world’s, until it joins', async () => {
    hostServers = [(await upstream('127.0.0.54', failWith(3))).address]
    expect((await ask(place.netns, 'queue')).rcode).toBe('NXDOMAIN')
    names.update(place.name, options({ networks: [front, back] }))
    expect(addressesOf(await ask(place.netns, 'queue'))).toEqual(['10.2.0.9'])
  })

  test('a link is this sandbox’s own name for another, goes before other names, and follows its target', async () => {
    const links = [
      { network: front, alias: 'Store', target: 'db' },
      { network: front, alias: 'web', target: '0123456789ab' },
    ]
    names.update(place.name, options({ links }))
    for (const name of ['store', 'STORE.front']) {
      expect(codeAndAddresses(await ask(place.netns, name))).toEqual(['NOERROR', '10.1.0.3'])
    }
    names.setEndpoint(front, 'front', endpoint('db'), { names: ['db'], addresses: ['10.1.0.33'] })
    expect(addressesOf(await ask(place.netns, 'store'))).toEqual(['10.1.0.33'])
    names.update(place.name, options({ links: [{ network: front, alias: 'web', target: 'db' }] }))
    expect(addressesOf(await ask(place.netns, 'web'))).toEqual(['10.1.0.33'])
    hostServers = []
    expect((await ask(place.netns, 'store')).rcode).toBe('SERVFAIL')
  })

  test('an alias of three endpoints gives all addresses, each of them first sooner or later', async () => {
    for (const last of [5, 6, 7]) {
      names.setEndpoint(front, 'front', endpoint(`api${last}`), {
        names: ['api'],
        addresses: [`10.1.0.${last}`],
      })
    }
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(place.netns, 'api')))
    expect(answers.every((answer) => addressesOf(answer).length === 3)).toBe(true)
    expect(new Set(answers.map((answer) => addressesOf(answer)[0])).size).toBe(3)
  })

  test('500 changes of an address are never answered with a wrong or no address', async () => {
    let last = 0
    let isOver = false
    const changes = (async () => {
      for (; last < 500; last++) {
        names.setEndpoint(front, 'front', endpoint('moving'), {
          names: ['moving'],
          addresses: [`10.1.7.${last % 250}`],
        })
        await delay(1)
      }
      isOver = true
    })()
    names.setEndpoint(front, 'front', endpoint('moving'), { names: ['moving'], addresses: ['10.1.7.0'] })
    let asked = 0
    for (; !isOver; asked++) {
      const before = last
      const addresses = addressesOf(await ask(place.netns, 'moving'))
      const valid = Array.from({ length: last - before + 3 }, (_, i) => `10.1.7.${(before + i + 249) % 250}`)
      expect(valid).toContain(addresses[0])
    }
    await changes
    expect(asked).toBeGreaterThan(50)
  })
})

describe('size', () => {
  beforeEach(() => {
    for (let i = 0; i < 60; i++) {
      names.setEndpoint(front, 'front', endpoint(`s${i}`), { names: ['swarm'], addresses: [`10.1.9.${i}`] })
    }
  })

  test.each(['swarm', 'many.test'])('%s is cut to whole records by UDP and says so', async (name) => {
    const bytes = (await sendUdp(place.netns, encodeQuery(name, 'A')))!
    const answer = decode(bytes)
    expect(bytes.length).toBeLessThanOrEqual(512)
    expect(answer.flag_tc).toBe(true)
    expect(addressesOf(answer).length).toBeGreaterThan(20)
  })

  test.each(['swarm', 'many.test'])('%s is whole by TCP, and by UDP for who speaks EDNS', async (name) => {
    for (const answer of [
      await askTcp(place.netns, name),
      await ask(place.netns, name, 'A', { size: 4096 }),
    ]) {
      expect([addressesOf(answer).length, answer.flag_tc]).toEqual([60, false])
    }
  })

  test('EDNS with 1232 bytes gives what fits into them', async () => {
    const bytes = (await sendUdp(place.netns, encodeQuery('swarm', 'A', { size: 600 })))!
    expect(bytes.length).toBeLessThanOrEqual(600)
    expect(decode(bytes).additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }])
  })
})

describe('the world', () => {
  test('is asked through the host’s resolver on its loopback, for single labels too', async () => {
    expect(codeAndAddresses(await ask(place.netns, 'www.test'))).toEqual(['NOERROR', '198.51.100.7'])
    expect(codeAndAddresses(await ask(place.netns, 'www.test', 'AAAA'))).toEqual(['NOERROR', '2001:db8::7'])
    expect((await ask(place.netns, 'nothing.test')).rcode).toBe('NXDOMAIN')
    const other = await upstream('127.0.0.54', failWith(3))
    hostServers = [other.address]
    await ask(place.netns, 'printer')
    expect(other.seen).toEqual(['printer'])
  })

  test('a name with an A record and no AAAA record has no data', async () => {
    expect(codeAndAddresses(await ask(place.netns, 'v4.test', 'AAAA'))).toEqual(['NOERROR'])
  })

  test('is asked at the host’s new server as soon as the host has changed it', async () => {
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['198.51.100.7'])
    hostServers = [(await upstream('127.0.0.54', answerWith('192.0.2.99'))).address]
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['192.0.2.99'])
  })

  test('is asked at the container’s own servers where it has some', async () => {
    const own = await upstream('127.0.0.55', answerWith('192.0.2.1'), place.netns)
    names.update(place.name, options({ upstreams: ['127.0.0.11', own.address] }))
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['192.0.2.1'])
    // alone it is no server
    names.update(place.name, options({ upstreams: ['127.0.0.11'] }))
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['198.51.100.7'])
  })

  test('is asked at the container’s own servers from its namespace only, an internal network’s too', async () => {
    const outside = await upstream('127.0.0.55', answerWith('192.0.2.66'))
    names.update(place.name, options({ upstreams: [outside.address], forward: false }))
    expect((await ask(place.netns, 'www.test')).rcode).toBe('SERVFAIL')
    expect(outside.seen).toEqual([])
    await upstream('127.0.0.55', answerWith('192.0.2.1'), place.netns)
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['192.0.2.1'])
  })

  test('has no say about names without a dot where the user wants the search list first', async () => {
    const other = await upstream('127.0.0.54', answerWith('192.0.2.1'))
    hostServers = [other.address]
    names.update(place.name, options({ forwardBareNames: false }))
    for (const type of ['A', 'AAAA']) {
      expect(codeAndAddresses(await ask(place.netns, 'printer', type))).toEqual(['NOERROR'])
    }
    expect(codeAndAddresses(await ask(place.netns, 'printer.test'))).toEqual(['NOERROR', '192.0.2.1'])
    expect(other.seen).toEqual(['printer.test'])
  })

  test('is not asked at all from internal networks, which know their own names still', async () => {
    const other = await upstream('127.0.0.54', answerWith('192.0.2.1'))
    hostServers = [other.address]
    names.update(place.name, options({ forward: false }))
    expect((await ask(place.netns, 'www.test')).rcode).toBe('SERVFAIL')
    expect(addressesOf(await ask(place.netns, 'web'))).toEqual(['10.1.0.2'])
    expect(other.seen).toEqual([])
  })

  test('without any server gets SERVFAIL at once', async () => {
    hostServers = []
    const started = performance.now()
    expect((await ask(place.netns, 'www.test')).rcode).toBe('SERVFAIL')
    expect(performance.now() - started).toBeLessThan(200)
  })
})

describe('servers in trouble', () => {
  test.each([2, 4, 5])('response code %i sends the query on to the next server', async (code) => {
    const bad = await upstream('127.0.0.54', failWith(code))
    const good = await upstream('127.0.0.55', answerWith('192.0.2.1'))
    hostServers = [bad.address, good.address]
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    expect(bad.seen).toEqual(['a.example'])
  })

  test('a port where nobody listens costs no time', async () => {
    hostServers = ['127.0.0.99', stub]
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['198.51.100.7'])
    expect(performance.now() - started).toBeLessThan(500)
  })

  test('an address without a route costs no time', async () => {
    hostServers = ['203.0.113.1', '2001:db8::53', stub]
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['198.51.100.7'])
    expect(performance.now() - started).toBeLessThan(500)
  })

  test('a silent server costs a second once, then it is asked last', async () => {
    const silent = await upstream('127.0.0.54', () => undefined)
    hostServers = [silent.address, stub]
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'www.test'))).toEqual(['198.51.100.7'])
    expect(performance.now() - started).toBeGreaterThan(900)
    const again = performance.now()
    expect(addressesOf(await ask(place.netns, 'v4.test'))).toEqual(['198.51.100.8'])
    expect(performance.now() - again).toBeLessThan(500)
  })

  test('a lost packet is sent again', async () => {
    let count = 0
    const lossy = await upstream('127.0.0.54', (query, send, raw) => {
      if (++count > 1) answerWith('192.0.2.1')(query, send, raw)
    })
    hostServers = [lossy.address]
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    expect(count).toBe(2)
  })

  test('a slow answer still counts while others are asked', async () => {
    const slow = await upstream('127.0.0.54', (query, send, raw) => {
      setTimeout(() => answerWith('192.0.2.1')(query, send, raw), 1500)
    })
    const silent = await upstream('127.0.0.55', () => undefined)
    hostServers = [slow.address, silent.address]
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    expect(performance.now() - started).toBeLessThan(1900)
  })

  test('when all stay silent SERVFAIL comes before libc loses patience', async () => {
    hostServers = [(await upstream('127.0.0.54', () => undefined)).address]
    const started = performance.now()
    expect((await ask(place.netns, 'a.example')).rcode).toBe('SERVFAIL')
    expect(performance.now() - started).toBeLessThan(5000)
  })

  test('answers with a wrong id, to another question, or that are no answers are passed over', async () => {
    const forger = await upstream('127.0.0.54', (query, send, raw) => {
      const forged = { answers: [{ type: 'A' as const, name: 'a.example', ttl: 60, data: '192.0.2.66' }] }
      send({ ...forged, id: (query.id! + 1) & 0xffff })
      send({ ...forged, questions: [{ type: 'A', name: 'b.example' }] })
      send({ ...forged, type: 'query' })
      setTimeout(() => answerWith('192.0.2.1')(query, send, raw), 50)
    })
    hostServers = [forger.address]
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
  })

  test.each([
    ['the host’s', undefined],
    ['the container’s', 'inside'],
  ])('a truncated answer of %s server is asked for again by TCP', async (_, where) => {
    const netns = where === undefined ? undefined : place.netns
    const tcp = await FakeTcpServer.start('127.0.0.54', answerWith('192.0.2.2'), netns)
    const udp = await upstream('127.0.0.54', (_, send) => send({ flags: 0x0380 }), netns)
    hostServers = [udp.address]
    names.update(place.name, options({ upstreams: where === undefined ? [] : [udp.address] }))
    try {
      expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.2'])
    } finally {
      tcp.close()
    }
  })

  test.each([
    ['with', (query: DecodedPacket) => query.questions!],
    ['without', () => []],
  ])('a server that takes EDNS for an error, %s the question, is asked without', async (_, questionsOf) => {
    const old = await upstream('127.0.0.54', (query, send, raw) => {
      if (query.additionals!.length === 0) answerWith('192.0.2.1')(query, send, raw)
      else send({ flags: 0x0181, questions: questionsOf(query) })
    })
    hostServers = [old.address]
    const answer = await ask(place.netns, 'a.example', 'A', { size: 1232 })
    expect([...addressesOf(answer), answer.additionals!.length]).toEqual(['192.0.2.1', 1])
    expect(old.seen).toHaveLength(2)
  })

  test('a failure that repeats no question costs no time', async () => {
    const failing = await upstream('127.0.0.54', (_, send) => send({ flags: 0x0182, questions: [] }))
    hostServers = [failing.address, (await upstream('127.0.0.55', answerWith('192.0.2.1'))).address]
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    expect(performance.now() - started).toBeLessThan(900)
  })

  test('a truncated answer is passed on as such when the server takes no TCP', async () => {
    const half = await upstream('127.0.0.54', (query, send) => {
      const answers = [{ type: 'A' as const, name: query.questions![0]!.name, ttl: 60, data: '192.0.2.1' }]
      send({ flags: 0x0380, answers })
    })
    hostServers = [half.address]
    const answer = await ask(place.netns, 'a.example')
    expect([answer.flag_tc, ...addressesOf(answer)]).toEqual([true, '192.0.2.1'])
  })

  test('a server that forwards to us ends in SERVFAIL, not in a storm', async () => {
    const loop = await upstream('127.0.0.54', (_, __, raw) => {
      void sendUdp(place.netns, raw, 100)
    })
    hostServers = [loop.address]
    expect((await ask(place.netns, 'a.example')).rcode).toBe('SERVFAIL')
    expect(loop.seen.length).toBeLessThan(10)
  })
})

describe('sharing', () => {
  test('200 clients with one question cost the server one query, later ones none', async () => {
    const slow = await upstream('127.0.0.54', (query, send, raw) => {
      setTimeout(() => answerWith('192.0.2.1', 60)(query, send, raw), 200)
    })
    hostServers = [slow.address]
    const spelled = (i: number) => (i % 2 === 0 ? 'a.example' : 'A.Example')
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => ask(place.netns, spelled(i), 'A', { id: i })),
    )
    expect(slow.seen).toHaveLength(1)
    expect(answers.every((answer, i) => answer.id === i && answer.questions![0]!.name === spelled(i))).toBe(
      true,
    )
    const started = performance.now()
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    expect(performance.now() - started).toBeLessThan(100)
    expect(slow.seen).toHaveLength(1)
  })

  test('a cached answer ages, and is asked for anew when its time is over', async () => {
    const server = await upstream('127.0.0.54', answerWith('192.0.2.1', 2))
    hostServers = [server.address]
    await ask(place.netns, 'a.example')
    await delay(1100)
    expect((await ask(place.netns, 'a.example')).answers).toMatchObject([{ ttl: 1 }])
    await delay(1100)
    expect((await ask(place.netns, 'a.example')).answers).toMatchObject([{ ttl: 2 }])
    expect(server.seen).toHaveLength(2)
  })

  test('containers with different servers do not see each other’s answers', async () => {
    const one = await upstream('127.0.0.54', answerWith('192.0.2.1'), place.netns)
    const two = await upstream('127.0.0.55', answerWith('192.0.2.2'), place.netns)
    names.update(place.name, options({ upstreams: [one.address] }))
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.1'])
    names.update(place.name, options({ upstreams: [two.address] }))
    expect(addressesOf(await ask(place.netns, 'a.example'))).toEqual(['192.0.2.2'])
  })

  test('2,000 different names at 200 ms each, of which every twentieth packet is lost, are all answered, and none holds up a neighbour', async () => {
    const lost = new Set<string>()
    let count = 0
    const slow = await upstream('127.0.0.54', (query, send, raw) => {
      const { name } = query.questions![0]!
      if (++count % 20 === 0 && !lost.has(name)) lost.add(name)
      else setTimeout(() => answerWith('192.0.2.1', 60)(query, send, raw), 200)
    })
    hostServers = [slow.address]
    const neighbour = new Place('c2', directory)
    await names.open(sandbox(neighbour), options())
    await ask(neighbour.netns, 'known.example')
    const left = Array.from({ length: 2000 }, (_, index) => `n${index}.example`).values()
    const answered: Decoded[] = []
    const flood = Array.from({ length: 250 }, async () => {
      for (const name of left) answered.push(await ask(place.netns, name))
    })
    const waits: number[] = []
    while (answered.length < 1800) {
      for (const name of ['db', 'known.example']) {
        const start = performance.now()
        expect(addressesOf(await ask(neighbour.netns, name))).toHaveLength(1)
        waits.push(performance.now() - start)
      }
      await delay(5)
    }
    await Promise.all(flood)
    neighbour.close()
    expect(lost.size).toBeGreaterThan(90)
    expect(answered.map(({ rcode }) => rcode)).toEqual(Array(2000).fill('NOERROR'))
    // whoever stood in line behind the others' names would wait for them: this process asks all of them itself
    expect(waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)]).toBeLessThan(100)
  })
})

describe('what is told about answers', () => {
  test('a listener hears of all addresses before the client does, and of their shortest time', async () => {
    hostServers = [
      (
        await upstream('127.0.0.54', (query, send) => {
          const name = query.questions![0]!.name
          const answers = [
            { type: 'CNAME' as const, name, ttl: 9, data: 'b.example' },
            { type: 'A' as const, name: 'b.example', ttl: 60, data: '192.0.2.1' },
            { type: 'A' as const, name: 'b.example', ttl: 30, data: '192.0.2.2' },
          ]
          send({ answers: name === 'none.example' ? [] : answers })
        })
      ).address,
    ]
    const heard: unknown[][] = []
    const onAnswer: AnswerListener = async (...told) => {
      await delay(50)
      heard.push(told)
    }
    names.update(place.name, options({ onAnswer }))
    await ask(place.netns, 'A.Example')
    expect(heard).toEqual([[place.name, 'a.example', ['192.0.2.1', '192.0.2.2'], 30]])
    await ask(place.netns, 'a.example')
    await ask(place.netns, 'web', 'AAAA')
    await ask(place.netns, 'none.example')
    expect(heard.slice(1).map((told) => told.slice(1, 3))).toEqual([
      ['a.example', ['192.0.2.1', '192.0.2.2']],
      ['web', ['fd00:1::2']],
    ])
  })

  test('of a sandbox that may not look up every name the others are not asked for outside, and there are none', async () => {
    const server = await upstream('127.0.0.54', answerWith('192.0.2.1'))
    hostServers = [server.address]
    names.update(place.name, options({ allows: (name) => name === 'api.example' }))
    expect(addressesOf(await ask(place.netns, 'API.example'))).toEqual(['192.0.2.1'])
    for (const name of ['other.example', 'x.api.example', '1.2.0.192.in-addr.arpa']) {
      expect((await ask(place.netns, name)).rcode).toBe('NXDOMAIN')
    }
    expect((await ask(place.netns, 'secret.example', 'TXT')).rcode).toBe('NXDOMAIN')
    expect(server.seen).toEqual(['API.example'])
    expect((await ask(place.netns, 'web')).rcode).toBe('NOERROR')
  })

  test('an answer whose listener fails is not sent', async () => {
    const onAnswer = () => Promise.reject(new Error('no set today'))
    const quiet = createNameService({ log: createLogger('fatal'), redirect, upstreams: () => [] })
    await quiet.open(sandbox(place), options({ onAnswer }))
    quiet.setEndpoint(front, 'front', endpoint('web'), { names: ['web'], addresses: ['10.1.0.2'] })
    expect(await sendUdp(place.netns, encodeQuery('web', 'A'), 200)).toBeNull()
    quiet.stop()
  })

  test('queries are counted by what became of them', async () => {
    hostServers = [(await upstream('127.0.0.54', answerWith('192.0.2.1'))).address]
    for (const name of ['web', 'a.example', 'a.example', 'b.example']) await ask(place.netns, name)
    hostServers = []
    await ask(place.netns, 'c.example')
    expect(names.stats()).toEqual(
      new Map([[place.name, { queries: 5, own: 1, cached: 1, forwarded: 2, failed: 1 }]]),
    )
  })
})

describe('a container that asks without end', () => {
  test('is refused at 4,096 questions on their way, and its neighbour is answered all the same', async () => {
    const silent = await upstream('127.0.0.54', () => {})
    const other = await upstream('127.0.0.55', answerWith('192.0.2.1'))
    const host = new Forwarder(null, 1 << 20)
    const create = (id: string, { address }: FakeServer) =>
      new Resolver(id, options(), {
        names: new NameRegistry(),
        host,
        inside: host,
        hostServers: () => [address],
      })
    const [loud, quiet] = [create('loud', silent), create('quiet', other)]
    const answers = Array.from({ length: 4097 }, (_, i) =>
      loud.answer(encodeQuery(`n${i}.example`, 'A', { id: i }), 'udp'),
    )
    expect((decode((await answers.at(-1))!) as Decoded).rcode).toBe('REFUSED')
    expect(loud.counters).toMatchObject({ forwarded: 4096, failed: 1 })
    const answer = decode((await quiet.answer(encodeQuery('ok.example', 'A'), 'udp'))!)
    expect(addressesOf(answer)).toEqual(['192.0.2.1'])
    host.close()
  })
})

describe('names for the host', () => {
  /** Asks from the host's own namespace. */
  async function askHost(address: string, name: string, type = 'A'): Promise<[string, unknown[]]> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    try {
      const answered = once(socket, 'message')
      socket.send(encodeQuery(name, type), 53, address)
      const answer = decode(((await answered) as [Buffer])[0]) as Decoded
      return [answer.rcode, answer.answers!.map((record) => ('data' in record ? record.data : null))]
    } finally {
      socket.close()
    }
  }

  test.each(['127.0.0.60', '::1'])(
    'are answered at %s, those of all networks and nothing else',
    async (at) => {
      await names.serveHost(at)
      hostServers = [(await upstream('127.0.0.54', answerWith('192.0.2.1'))).address]
      expect(await askHost(at, 'web.front.tsnet')).toEqual(['NOERROR', ['10.1.0.2']])
      expect(await askHost(at, 'Web.Front.TSNET', 'AAAA')).toEqual(['NOERROR', ['fd00:1::2']])
      expect(await askHost(at, 'queue.back.tsnet')).toEqual(['NOERROR', ['10.2.0.9']])
      expect(await askHost(at, 'queue.back.tsnet', 'AAAA')).toEqual(['NOERROR', []])
      expect(await askHost(at, '9.0.2.10.in-addr.arpa', 'PTR')).toEqual(['NOERROR', ['queue.back.tsnet']])
      expect(await askHost(at, '8.0.2.10.in-addr.arpa', 'PTR')).toEqual(['NXDOMAIN', []])
      expect(await askHost(at, 'queue.front.tsnet')).toEqual(['NXDOMAIN', []])
      expect(await askHost(at, 'web.tsnet')).toEqual(['NXDOMAIN', []])
      for (const name of ['web', 'web.front', 'www.example']) {
        expect(await askHost(at, name)).toEqual(['REFUSED', []])
      }
    },
  )

  test('cannot be served where somebody else is, which is said', async () => {
    await expect(names.serveHost(stub)).rejects.toThrow(
      `--dns-host-listen ${stub} is in use: another name server has its port 53`,
    )
  })

  test('are answered at an address that the host gets later', async () => {
    await names.serveHost('192.0.2.99')
    execFileSync('ip', ['addr', 'add', '192.0.2.99/32', 'dev', 'lo'])
    expect(await askHost('192.0.2.99', 'queue.back.tsnet')).toEqual(['NOERROR', ['10.2.0.9']])
    execFileSync('ip', ['addr', 'del', '192.0.2.99/32', 'dev', 'lo'])
  })
})

describe('what clients may send', () => {
  test('3,000 damaged packets do not keep it from answering', async () => {
    const damaged = fc
      .sample(fc.tuple(fc.nat(60), fc.nat(255), fc.nat(60)), 3000)
      .map(([at, value, length]) => {
        const bytes = encodeQuery('web.front', 'A', { size: 1232 })
        bytes[at % bytes.length] = value
        return bytes.subarray(0, length)
      })
    hostServers = []
    for (let i = 0; i < damaged.length; i += 100) {
      await Promise.all(damaged.slice(i, i + 100).map((bytes) => sendUdp(place.netns, bytes, 20)))
      // sender and server share one thread: it has to read before its queue is full
      await delay(5)
    }
    expect(addressesOf(await ask(place.netns, 'web', 'A', { id: 2 }))).toEqual(['10.1.0.2'])
  })

  test('a response is not answered', async () => {
    const bytes = encode({ type: 'response', id: 1, questions: [{ name: 'web', type: 'A' }] })
    expect(await sendUdp(place.netns, bytes, 200)).toBeNull()
  })

  test('two queries on one connection, sent byte by byte, get two answers', async () => {
    const connection = connectTcp(place.netns)
    const bytes = Buffer.concat([
      frame(encodeQuery('web', 'A', { id: 1 })),
      frame(encodeQuery('db', 'A', { id: 2 })),
    ])
    for (const byte of bytes) connection.input.write(Buffer.of(byte))
    const answers = new Map<number, string[]>()
    for await (const message of readFrames(connection.output)) {
      const answer = decode(message)
      answers.set(answer.id!, addressesOf(answer))
      if (answers.size === 2) break
    }
    connection.close()
    expect(Object.fromEntries(answers)).toEqual({ 1: ['10.1.0.2'], 2: ['10.1.0.3'] })
  })

  test('a connection that the client has closed for writing gets its answers first', async () => {
    hostServers = [
      (
        await upstream('127.0.0.54', (query, send, raw) => {
          setTimeout(() => answerWith('192.0.2.1')(query, send, raw), 200)
        })
      ).address,
    ]
    const connection = connectTcp(place.netns)
    connection.input.end(frame(encodeQuery('a.example', 'A')))
    const messages: Buffer[] = []
    for await (const message of readFrames(connection.output)) messages.push(message)
    expect(messages.map((message) => addressesOf(decode(message)))).toEqual([['192.0.2.1']])
  })

  test('what comes from port 0, where no answer can go, is passed over', async () => {
    const seen: string[] = []
    const listener = await listenInside(place.netns, async (bytes) => {
      seen.push(bytes.toString())
      return bytes
    })
    const send =
      'socket S, PF_INET, SOCK_RAW, 17 or die; my ($from, $to, $text) = @ARGV; ' +
      'send S, pack("nnnna*", $from, $to, 8 + length $text, 0, $text), 0, sockaddr_in(0, inet_aton "127.0.0.11") or die'
    for (const [from, text] of [
      ['0', 'from port 0'],
      ['1234', 'from another'],
    ] as const) {
      inNetns(place.netns, () =>
        execFileSync('perl', ['-MSocket', '-e', send, from, `${listener.ports.udp}`, text], {
          encoding: 'utf8',
        }),
      )
    }
    await expect.poll(() => seen).toEqual(['from another'])
    listener.close()
  })

  test('garbage by TCP is refused or cut off, and the next client is served', async () => {
    const connection = connectTcp(place.netns)
    connection.input.write(Buffer.concat([frame(Buffer.alloc(12, 0x21)), frame(Buffer.from('x'))]))
    for await (const message of readFrames(connection.output)) expect(message.length).toBe(12)
    connection.close()
    expect(addressesOf(await askTcp(place.netns, 'web'))).toEqual(['10.1.0.2'])
  })
})

describe('opening and closing', () => {
  const openFiles = () => readdirSync('/proc/self/fd').length

  test('a closed sandbox answers nothing, and answers again after it was opened anew', async () => {
    names.close(place.name)
    names.close(place.name)
    expect(await sendUdp(place.netns, encodeQuery('web', 'A'), 200).catch(() => null)).toBeNull()
    await names.open(sandbox(place), options())
    expect(addressesOf(await ask(place.netns, 'web'))).toEqual(['10.1.0.2'])
    expect(addressesOf(await askTcp(place.netns, 'web'))).toEqual(['10.1.0.2'])
  })

  test('opening an open sandbox again replaces its sockets', async () => {
    const before = openFiles()
    for (let i = 0; i < 5; i++) await names.open(sandbox(place), options())
    await delay(20)
    expect(openFiles()).toBe(before)
    expect(addressesOf(await ask(place.netns, 'web'))).toEqual(['10.1.0.2'])
  })

  test('when the redirection fails the error comes through and no socket stays open', async () => {
    const failing = createNameService({
      log: createLogger('error'),
      redirect: () => Promise.reject(new Error('no rules today')),
      upstreams: () => [],
    })
    const before = openFiles()
    await expect(failing.open(sandbox(place), options())).rejects.toThrow('no rules today')
    await delay(20)
    expect(openFiles()).toBe(before)
  })

  test('a sandbox that is not open cannot be updated', () => {
    expect(() => names.update('nobody', options())).toThrow(/name service of sandbox nobody is not open/)
  })

  test('a query on its way when the sandbox closes does no harm', async () => {
    hostServers = [
      (
        await upstream('127.0.0.54', (query, send, raw) => {
          setTimeout(() => answerWith('192.0.2.1')(query, send, raw), 100)
        })
      ).address,
    ]
    const answer = sendUdp(place.netns, encodeQuery('a.example', 'A'), 400).catch(() => null)
    await delay(30)
    names.close(place.name)
    expect(await answer).toBeNull()
  })

  test('200 sandboxes cost less than 100 kB each and are served all', async () => {
    const many = Array.from({ length: 200 }, (_, i) => new Place(`m${i}`, directory))
    const service = createNameService({
      log: createLogger('error'),
      redirect: async () => undefined,
      upstreams: () => [],
    })
    try {
      const before = process.memoryUsage().rss
      for (const one of many) await service.open(sandbox(one), options())
      expect((process.memoryUsage().rss - before) / many.length).toBeLessThan(100_000)
    } finally {
      service.stop()
      for (const one of many) one.close()
    }
  })
})

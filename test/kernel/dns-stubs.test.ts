/** What programs get to know that ask by their C library: Debian's glibc, and the musl of Alpine. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { containerResolvConf } from '../../src/dns/resolv-conf.ts'
import { createNameService, type NameService } from '../../src/dns/server.ts'
import { createDnsRedirect } from '../../src/firewall/redirect.ts'
import { createLogger } from '../../src/log.ts'
import type { EndpointId, NetworkId } from '../../src/values/id.ts'
import { FakeServer, failWith, type Respond } from '../helpers/dns-lab.ts'
import { enterThrowAwayNetns, Place } from '../helpers/firewall-lab.ts'

const network = 'front' as NetworkId
const swarm = Array.from({ length: 60 }, (_, i) => `10.1.1.${i + 1}`)
const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`)

/** The world beyond: names without a family have no data of it, all others do not exist. */
const world: Readonly<Record<string, { readonly A?: readonly string[]; readonly AAAA?: readonly string[] }>> =
  {
    'www.test': { A: ['198.51.100.7'], AAAA: ['2001:db8::7'] },
    'v4.test': { A: ['198.51.100.8'] },
    'v6.test': { AAAA: ['2001:db8::9'] },
    'mail.lab.test': { A: ['198.51.100.25'] },
    'many.test': { A: many },
    bare: { A: ['198.51.100.9'] },
  }

const answerWorld: Respond = (query, send) => {
  const { name, type } = query.questions![0]!
  const known = world[name.toLowerCase()]
  const data = type === 'A' || type === 'AAAA' ? (known?.[type] ?? []) : []
  const answers = data.map((one) => ({ type: type as 'A', name, ttl: 60, data: one }))
  send(known === undefined ? { flags: 0x0183 } : { answers })
}

/** What both libraries find, with the search list `test lab.test` and ndots:0. */
const table: readonly (readonly [query: string, found: string])[] = [
  ['4:web', '10.1.0.2'],
  ['6:web', 'fd00:1::2'],
  ['0:web', '10.1.0.2 fd00:1::2'],
  ['0:WEB', '10.1.0.2 fd00:1::2'],
  ['4:web.', '10.1.0.2'],
  ['4:web.front', '10.1.0.2'],
  ['0:Web.Front.', '10.1.0.2 fd00:1::2'],
  ['4:0123456789ab', '10.1.0.2'],
  ['6:0123456789ab.front', 'fd00:1::2'],
  ['4:db', '10.1.0.3'],
  ['6:db', 'none'],
  ['0:db', '10.1.0.3'],
  ['0:db.front', '10.1.0.3'],
  ['4:six', 'none'],
  ['6:six', 'fd00:1::6'],
  ['0:six', 'fd00:1::6'],
  ['4:api', '10.1.0.4 10.1.0.5'],
  ['0:api.front', '10.1.0.4 10.1.0.5'],
  ['4:front', '10.1.0.3'],
  ['0:front', '10.1.0.3'],
  ['4:www.test', '198.51.100.7'],
  ['6:www.test', '2001:db8::7'],
  ['0:www.test', '198.51.100.7 2001:db8::7'],
  ['0:WWW.Test', '198.51.100.7 2001:db8::7'],
  ['0:www.test.', '198.51.100.7 2001:db8::7'],
  ['4:v4.test', '198.51.100.8'],
  ['6:v4.test', 'none'],
  ['0:v4.test', '198.51.100.8'],
  ['4:v6.test', 'none'],
  ['0:v6.test', '2001:db8::9'],
  ['4:bare', '198.51.100.9'],
  ['0:bare', '198.51.100.9'],
  ['4:nothing.test', 'none'],
  ['6:nothing.test', 'none'],
  ['0:nothing.test', 'none'],
  ['0:nothing', 'none'],
  ['0:nothing.test.', 'none'],
  ['0:web.back', 'none'],
  ['r:10.1.0.2', 'web.front'],
  ['r:fd00:1::2', 'web.front'],
  ['r:10.1.0.3', 'db.front'],
  ['r:10.1.0.99', 'none'],
]

/** musl has no use for a search list where ndots is 0, in Docker's containers as well. */
const searched: typeof table = [
  ['4:www', '198.51.100.7'],
  ['0:v4', '198.51.100.8'],
  ['4:mail', '198.51.100.25'],
  ['0:mail.lab', '198.51.100.25'],
]

let directory: string
let place: Place
let names: NameService
const servers: FakeServer[] = []

beforeAll(async () => {
  await enterThrowAwayNetns()
  directory = mkdtempSync(join(tmpdir(), 'tsnet-stubs-'))
  place = new Place('c1', directory)
  for (const [address, respond] of [
    ['127.0.0.53', failWith(2)],
    ['127.0.0.54', answerWorld],
  ] as const) {
    servers.push(await FakeServer.start(address, respond))
  }
  names = createNameService({
    log: createLogger('error'),
    redirect: createDnsRedirect('iptables'),
    upstreams: () => ['127.0.0.53', '127.0.0.54'],
  })
  const endpoints: readonly (readonly [names: string[], addresses: string[]])[] = [
    [
      ['web', '0123456789ab'],
      ['10.1.0.2', 'fd00:1::2'],
    ],
    [['db'], ['10.1.0.3']],
    [['six'], ['fd00:1::6']],
    [['one', 'api'], ['10.1.0.4']],
    [['two', 'api'], ['10.1.0.5']],
    ...swarm.map((address, i) => [[`s${i}`, 'swarm'], [address]] as [string[], string[]]),
  ]
  for (const [index, [all, addresses]] of endpoints.entries()) {
    names.setEndpoint(network, 'front', `${index}` as EndpointId, { names: all, addresses })
  }
  await names.open(
    { id: 'c1', netns: place.netns },
    {
      networks: [network],
      links: [{ network, alias: 'front', target: 'db' }],
      upstreams: [],
      forward: true,
      forwardBareNames: true,
      allows: null,
      onAnswer: null,
    },
  )
})

afterAll(() => {
  names.stop()
  place.close()
  for (const server of servers) server.close()
  rmSync(directory, { recursive: true })
})

/** Addresses in order, as the libraries sort them each in its own way. */
const sorted = (line: string): string => line.split(' ').sort().join(' ')

describe.each([
  ['glibc', 'gcc', []],
  ['musl', 'musl-gcc', ['-static']],
] as const)('%s', (library, compiler, flags) => {
  /** What the library finds for each query, in the sandbox with a container's resolv.conf. */
  async function look(...queries: readonly string[]): Promise<string[]> {
    const file = join(directory, 'resolv.conf')
    const nothing = { servers: [], search: [], options: [] }
    writeFileSync(file, containerResolvConf({ host: 'search test lab.test\n', embedded: true, ...nothing }))
    const script = `mount --bind ${file} /etc/resolv.conf && mount --bind /dev/null /etc/hosts && exec "$@"`
    const command = [`--net=${place.path}`, 'unshare', '-m', 'sh', '-c', script, 'sh']
    const child = spawn('nsenter', [...command, join(directory, library), ...queries], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    return output.trimEnd().split('\n').map(sorted)
  }

  beforeAll(() => {
    const source = join(import.meta.dirname, '../helpers/stub-resolver.c')
    execFileSync(compiler, [...flags, '-o', join(directory, library), source])
  })

  test(`finds what there is and nothing else, in ${table.length} questions`, async () => {
    const found = await look(...table.map(([query]) => query))
    const expected = table.map(([query, addresses]) => `${query} ${sorted(addresses)}`)
    expect(found.map((line, i) => `${table[i]?.[0]} ${line}`)).toEqual(expected)
  })

  test('completes names by the search list where the library does', async () => {
    const found = await look(...searched.map(([query]) => query))
    expect(found).toEqual(searched.map(([, addresses]) => (library === 'glibc' ? addresses : 'none')))
  })

  test('gets answers that do not fit into 512 bytes: whole by TCP, else as many as fit', async () => {
    const [own, foreign] = await look('4:swarm', '4:many.test')
    for (const [found, all] of [
      [own, swarm],
      [foreign, many],
    ] as const) {
      const addresses = found!.split(' ')
      // musl asks by TCP from 1.2.4 on
      expect(addresses.length).toBeGreaterThan(library === 'glibc' ? 59 : 10)
      expect(all).toEqual(expect.arrayContaining(addresses))
    }
  })
})

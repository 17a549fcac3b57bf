import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Certificates } from '../../helpers/certificates.ts'
import { eventually, Hosts } from '../../helpers/cluster-lab.ts'
import { Etcd } from '../../helpers/etcd.ts'
import { enterThrowAwayNetns } from '../../helpers/firewall-lab.ts'

let hosts: Hosts
let folder: string

beforeAll(async () => {
  await enterThrowAwayNetns()
  folder = mkdtempSync(join(tmpdir(), 'tsnet-access-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  hosts = new Hosts()
})
afterEach(async () => {
  await hosts[Symbol.asyncDispose]()
})

/** Why a host that has tried to join is away. */
async function reason(url: string): Promise<string> {
  const { state, error } = (await hosts.join(url, 'a', { patience: 1000 })).health()
  expect(state).toBe('away')
  return error.replace(/^the cluster's etcd at [\d.:]+ cannot be used: /, '')
}

describe('an etcd that wants passwords', () => {
  let etcd: Etcd
  const file = (name: string, password: string) => {
    const path = join(folder, name)
    writeFileSync(path, `${password}\n`)
    return path
  }

  beforeAll(async () => {
    etcd = await Etcd.start()
    await etcd.requirePasswords({ tsnet: 'right' }, '/tsnet/')
  })
  afterAll(async () => {
    await etcd?.stop()
  })

  test('lets in who has the right one', async () => {
    const url = etcd.url({ ttl: '2', user: 'tsnet', 'password-file': file('right', 'right') })
    const a = await hosts.join(url, 'a')
    expect(a.health()).toMatchObject({ state: 'connected', error: '' })
    await a.networks.ready()
    expect(await a.hold('names/n/web', 'a one')).toBe('a one')
  })

  test('is said to refuse who has a wrong one, and who has none', async () => {
    const wrong = file('wrong', 'wrong')
    expect(await reason(etcd.url({ user: 'tsnet', 'password-file': wrong }))).toBe(
      `it refuses user tsnet with the password in ${wrong}`,
    )
    expect(await reason(etcd.url())).toBe(
      'it wants a user: add user=NAME and password-file=FILE to --cluster',
    )
    const missing = join(folder, 'missing')
    expect(await reason(etcd.url({ user: 'tsnet', 'password-file': missing }))).toContain(missing)
  })

  test('is said to refuse a user the keys of another prefix', async () => {
    const url = etcd.url({ user: 'tsnet', 'password-file': file('right', 'right'), prefix: '/elsewhere' })
    expect(await reason(url)).toBe(
      'user tsnet may not use the keys below /elsewhere/: grant a role readwrite there',
    )
  })

  test('goes on letting in a host whose password and token change while it is in', async () => {
    const path = file('changing', 'right')
    const a = await hosts.join(etcd.url({ ttl: '2', user: 'tsnet', 'password-file': path }), 'a')
    await etcd.replaceUser('tsnet', 'new')
    await expect(a.put('state/key', 'one')).rejects.toThrow(
      `it refuses user tsnet with the password in ${path}`,
    )
    file('changing', 'new')
    expect(await a.put('state/key', 'one')).toBe(true)
    // etcd has tokens in memory: with a restart they are gone
    await etcd.killAll()
    await etcd.launchAll()
    using keys = a.mirror('state/')
    await eventually(async () => expect(await a.put('state/key', 'two')).toBe(true))
    await keys.ready()
    await eventually(() => expect(keys.values.get('key')).toBe('two'))
    await eventually(() => expect(a.health()).toMatchObject({ state: 'connected', error: '' }))
  })

  test('is used with a password as without where it wants none', async () => {
    await etcd.ctl('auth', 'disable')
    const url = etcd
      .url({ user: 'tsnet', 'password-file': file('right', 'right') })
      .replace('127.0.0.1', 'localhost')
    expect((await hosts.join(url, 'a')).health().state).toBe('connected')
  })
})

describe('an etcd that wants certificates', () => {
  let certificates: Certificates
  let strangers: Certificates

  beforeAll(() => {
    certificates = new Certificates(['127.0.0.1'])
    strangers = new Certificates(['127.0.0.1'])
  })
  afterAll(() => {
    certificates?.[Symbol.dispose]()
    strangers?.[Symbol.dispose]()
  })

  test('lets in who shows one of its authority, and is said to refuse an expired, a foreign and a missing one', async () => {
    await using etcd = await Etcd.start({ tls: certificates })
    expect((await hosts.join(etcd.url(), 'a')).health()).toMatchObject({ state: 'connected', error: '' })
    const old = certificates.issue('old', { days: -1 })
    expect(await reason(etcd.url({ cert: old.cert, key: old.key }))).toMatch(
      `the server refuses the certificate in ${old.cert}, which expired on 2`,
    )
    const { client } = strangers
    expect(await reason(etcd.url({ cert: client.cert, key: client.key }))).toBe(
      `the server refuses the certificate in ${client.cert}`,
    )
    const bare = `etcd://127.0.0.1:2379?ca=${certificates.ca}`
    expect(await reason(bare)).toBe('the server wants a certificate: add cert=FILE and key=FILE to --cluster')
  })

  test('is refused with the reason when its own is foreign, or for other names, or has expired', async () => {
    {
      await using etcd = await Etcd.start({ tls: certificates })
      expect(await reason(etcd.url({ ca: strangers.ca }))).toBe(
        `the server's certificate is not from the authority in ${strangers.ca}`,
      )
    }
    const elsewhere = certificates.issue('elsewhere', { addresses: ['192.0.2.9'] })
    {
      await using etcd = await Etcd.start({
        tls: { ca: certificates.ca, client: certificates.client, server: elsewhere },
      })
      expect(await reason(etcd.url())).toBe("the server's certificate is for other names")
    }
    const old = certificates.issue('old-server', { addresses: ['127.0.0.1'], days: -1 })
    await using etcd = await Etcd.start({
      tls: { ca: certificates.ca, client: certificates.client, server: old },
    })
    expect(await reason(etcd.url())).toBe("the server's certificate has expired")
  })

  test('is joined at an IPv6 address', async () => {
    const server = certificates.issue('six', { addresses: ['::1'] })
    await using etcd = await Etcd.start({
      places: [{ netns: '', address: '::1' }],
      tls: { ca: certificates.ca, client: certificates.client, server },
    })
    const a = await hosts.join(etcd.url(), 'a')
    expect(a.health()).toMatchObject({ state: 'connected', error: '' })
  })

  test('is joined without a restart once the certificate in the file is a good one', async () => {
    await using etcd = await Etcd.start({ tls: certificates })
    const renewed = certificates.issue('renewed', { days: -1 })
    const a = await hosts.join(etcd.url({ cert: renewed.cert, key: renewed.key }), 'a')
    expect(a.health().state).toBe('away')
    certificates.issue('renewed')
    await eventually(() => expect(a.health()).toMatchObject({ state: 'connected', error: '' }))
  })

  test('is told from one that speaks no TLS, and from one that does where none was asked for', async () => {
    {
      await using etcd = await Etcd.start()
      expect(await reason(`${etcd.url()}?ca=${certificates.ca}`)).toBe(
        'the server ends the connection at the start of TLS: if it speaks none, leave out ca, cert and key',
      )
    }
    await using etcd = await Etcd.start({ tls: certificates })
    expect(await reason(`etcd://${etcd.endpoints[0]}`)).toBe(
      'the server ends the connection at its start: if it speaks TLS, add ca=FILE to --cluster',
    )
  })
})

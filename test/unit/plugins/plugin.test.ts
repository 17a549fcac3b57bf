import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Plugin } from '../../../src/plugins/plugin.ts'
import { Plugins } from '../../../src/plugins/plugins.ts'
import { DockerPlugin, type Methods, pluginDirectory } from '../../helpers/docker-plugin.ts'

let directory: string
let plugins: Plugins
const servers: AsyncDisposable[] = []

beforeEach(() => {
  directory = pluginDirectory()
  plugins = new Plugins({ directories: [directory], log: pino({ level: 'silent' }) })
  plugins.started()
})
afterEach(async () => {
  plugins.close()
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

async function serve(methods: Methods): Promise<DockerPlugin> {
  const server = await DockerPlugin.start(directory, 'rex', methods)
  servers.push(server)
  return server
}

const mount = (plugin: Plugin, deadline = 10_000, patient = false) =>
  plugin.call('VolumeDriver.Mount', { Name: 'data' }, { deadline, ...(patient && { waiter: 'web' }) })

describe('a plugin', () => {
  test('is activated once, when it comes, and gets what is sent', async () => {
    const server = await serve({ 'VolumeDriver.Mount': ({ Name: name }) => ({ Mountpoint: `/at/${name}` }) })
    const plugin = plugins.get('rex')
    await expect.poll(() => plugin.kinds).toEqual(['VolumeDriver'])
    const answers = await Promise.all([mount(plugin), mount(plugin)])
    expect(answers).toEqual([{ Mountpoint: '/at/data' }, { Mountpoint: '/at/data' }])
    expect(server.told()).toEqual(['Plugin.Activate', 'VolumeDriver.Mount', 'VolumeDriver.Mount'])
  })

  test('that is of another kind is no driver of this one', async () => {
    await serve({ 'NetworkDriver.Join': () => ({}) })
    await expect(mount(plugins.get('rex'))).rejects.toMatchObject({
      kind: 'not-found',
      message:
        'driver rex: plugin does not implement the requested driver: it is no VolumeDriver, but NetworkDriver',
    })
  })

  test.each(['Err', 'Error'])('refuses in %s, also where the status is good', async (field) => {
    await serve({ 'VolumeDriver.Mount': () => ({ [field]: 'no room' }) })
    await expect(mount(plugins.get('rex'))).rejects.toMatchObject({
      kind: 'internal',
      message: 'driver rex: no room',
    })
  })

  test('refuses with a status and no more than text', async () => {
    await serve({
      'VolumeDriver.Mount': (_, response) => {
        response.statusCode = 500
        response.end('out of order\n')
      },
    } as Methods)
    await expect(mount(plugins.get('rex'))).rejects.toThrow('driver rex: out of order')
  })

  test.each(['not json', '[1]', '"text"', '{"Mountpoint":'])('that answers %s is told of', async (text) => {
    await serve({ 'VolumeDriver.Mount': (_, response) => void response.end(text) } as Methods)
    await expect(mount(plugins.get('rex'))).rejects.toMatchObject({
      code: 'plugin-answer',
      message: `driver rex: its answer to VolumeDriver.Mount is wrong: no JSON object but ${JSON.stringify(text)}`,
    })
  })

  test('that answers without end is cut off', async () => {
    await serve({
      'VolumeDriver.Mount': (_, response) => {
        const pour = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65536)));
        }
        response.on('drain', pour)
        pour()
      },
    } as Methods)
    await expect(mount(plugins.get('rex'))).rejects.toThrow(/^driver rex: .* larger than 4194304 bytes$/)
  })

  test('that drips its answer is given up at the deadline', async () => {
    await serve({
      'VolumeDriver.Mount': (_, response) => {
        const drip = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(drip))
      },
    } as Methods)
    await expect(mount(plugins.get('rex'), 200)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'plugin-silent',
      message: 'driver rex: it did not answer VolumeDriver.Mount in time',
    })
  })

  test('that dies while it is asked is told of, and works again when it is back', async () => {
    const server = await serve({
      'VolumeDriver.Mount': (_, response) => void response.destroy(),
    } as Methods)
    const plugin = plugins.get('rex')
    await expect(mount(plugin)).rejects.toMatchObject({ code: 'plugin-silent' })
    server.methods = { 'VolumeDriver.Mount': () => ({ Mountpoint: '/back' }) }
    expect(await mount(plugin)).toEqual({ Mountpoint: '/back' })
  })

  test('that takes connections and says nothing is not there for whoever wants an answer soon', async () => {
    await serve({ 'Plugin.Activate': () => undefined })
    await expect(mount(plugins.get('rex'), 200)).rejects.toMatchObject({
      code: 'plugin-unreachable',
      message: 'driver rex: it did not answer Plugin.Activate in time',
    })
  })

  test('that is dead is not asked again at once, and says why, until it is back', async () => {
    const server = await serve({ 'VolumeDriver.Mount': () => ({ Mountpoint: '/back' }) })
    const plugin = plugins.get('rex')
    await server.stop()
    await expect(mount(plugin)).rejects.toThrow(/^driver rex: there is neither rex\.sock nor/)
    expect(plugin.trouble).toContain('there is neither')
    await server.listen()
    await expect
      .poll(() => mount(plugin).catch(() => null), { timeout: 5000 })
      .toEqual({ Mountpoint: '/back' })
    expect(plugin.trouble).toBe('')
  })

  test('that is not there yet is waited for by the patient, which can be seen', async () => {
    const waiting = mount(plugins.get('rex'), 20_000, true)
    await expect.poll(() => plugins.waitOf('web')).toMatchObject({ plugin: 'rex' })
    expect(Date.now() - Date.parse(plugins.waitOf('web')!.since)).toBeLessThan(10_000)
    expect(plugins.waitOf('other')).toBeNull()
    await serve({ 'VolumeDriver.Mount': () => ({ Mountpoint: '/late' }) })
    expect(await waiting).toEqual({ Mountpoint: '/late' })
    expect(plugins.waitOf('web')).toBeNull()
  })

  test('that comes, goes and comes as another is known without a call, also where its directory comes later', async () => {
    const later = join(directory, 'a', 'b')
    using followed = new Plugins({ directories: [later], log: pino({ level: 'silent' }) })
    followed.started()
    mkdirSync(later, { recursive: true })
    const first = await DockerPlugin.start(later, 'max', { 'VolumeDriver.Mount': () => ({}) })
    await expect.poll(() => followed.kindsOf('max'), { timeout: 5000 }).toEqual(['VolumeDriver'])
    await first.stop()
    await expect.poll(() => followed.get('max').trouble, { timeout: 5000 }).toContain('there is neither')
    await using _ = await DockerPlugin.start(later, 'max', { 'NetworkDriver.Join': () => ({}) })
    await expect.poll(() => followed.kindsOf('max'), { timeout: 5000 }).toEqual(['NetworkDriver'])
    expect(followed.get('max').trouble).toBe('')
    expect(followed.list().map(({ name }) => name)).toEqual(['max'])
  })

  test('that is the daemon itself is none', async () => {
    using own = new Plugins({
      directories: [directory],
      isOwn: (file) => file.endsWith('/rex.sock'),
      log: pino({ level: 'silent' }),
    })
    own.started()
    const server = await serve({ 'VolumeDriver.Mount': () => ({}) })
    expect(own.has('rex')).toBe(false)
    await expect(mount(own.get('rex'))).rejects.toMatchObject({ code: 'plugin-unreachable' })
    expect(server.told().filter((method) => method !== 'Plugin.Activate')).toEqual([])
  })

  test('is neither waited for nor asked twice while the daemon starts', async () => {
    const starting = new Plugins({ directories: [directory], log: pino({ level: 'silent' }) })
    await serve({ 'Plugin.Activate': () => undefined })
    const began = performance.now()
    for (let count = 0; count < 10; count++) {
      await expect(mount(starting.get('rex'), 60_000, true)).rejects.toMatchObject({ kind: 'unavailable' })
    }
    expect(performance.now() - began).toBeLessThan(3000)
  })

  test('is given up when the daemon ends', async () => {
    await serve({ 'VolumeDriver.Mount': () => undefined })
    const call = mount(plugins.get('rex'), 60_000)
    setTimeout(() => plugins.close(), 50)
    await expect(call).rejects.toMatchObject({ kind: 'unavailable' })
  })
})

describe('a plugin’s file', () => {
  test('of an address leads to it, and a socket goes before it', async () => {
    await using other = await DockerPlugin.start(directory, 'other', {
      'VolumeDriver.Mount': () => ({ Mountpoint: '/other' }),
    })
    writeFileSync(join(directory, 'rex.spec'), `unix://${other.socket}\n`)
    expect(await mount(plugins.get('rex'))).toEqual({ Mountpoint: '/other' })
    await serve({ 'VolumeDriver.Mount': () => ({ Mountpoint: '/own' }) })
    expect(await mount(plugins.get('rex'))).toEqual({ Mountpoint: '/own' })
  })

  test('of an address over TCP leads to it', async () => {
    const server = createServer((_, response) =>
      response.end('{"Implements":["VolumeDriver"],"Mountpoint":"/far"}'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    writeFileSync(
      join(directory, 'rex.json'),
      JSON.stringify({ Name: 'rex', Addr: `tcp://127.0.0.1:${port}` }),
    )
    expect(await mount(plugins.get('rex'))).toMatchObject({ Mountpoint: '/far' })
    server.close()
  })

  test('with certificates leads to it over TLS, and to nobody whom these do not vouch for', async () => {
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-keyout', join(directory, 'key'), '-out', join(directory, 'cert')],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ],
      { stdio: 'ignore' },
    )
    const [key, cert] = ['key', 'cert'].map((file) => readFileSync(join(directory, file)))
    const server = createSecureServer({ key: key!, cert: cert! }, (_, response) =>
      response.end('{"Implements":["VolumeDriver"],"Mountpoint":"/safe"}'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const write = (tls: object): void =>
      writeFileSync(
        join(directory, 'rex.json'),
        JSON.stringify({ Addr: `tcp://127.0.0.1:${port}`, TLSConfig: tls }),
      )
    write({ InsecureSkipVerify: false })
    await expect(mount(plugins.get('rex'))).rejects.toMatchObject({ kind: 'unavailable' })
    write({ CAFile: join(directory, 'cert') })
    await expect
      .poll(() => mount(plugins.get('rex')).catch(() => null), { timeout: 4000 })
      .toMatchObject({ Mountpoint: '/safe' })
    server.close()
  })

  test.each([
    ['rex.spec', 'somewhere', /^driver rex: .*rex\.spec names "somewhere": give unix:\/\/\//],
    ['rex.json', '{', /^driver rex: .*rex\.json holds no JSON object$/],
    ['rex.json', '{"Addr":""}', /^driver rex: .*rex\.json names "": give/],
    ['rex.json', '{"Addr":"tcp://a:1","TLSConfig":{"CAFile":"/none"}}', /names \/none as CAFile: ENOENT/],
  ])('%s with %s is refused', async (file, text, message) => {
    writeFileSync(join(directory, file), text)
    await expect(mount(plugins.get('rex'))).rejects.toThrow(message)
  })

  test('is looked for by names that are one', () => {
    writeFileSync(join(directory, 'rex.spec'), 'unix:///rex.sock')
    expect(['rex', '../rex', 'none', ''].map((name) => plugins.has(name))).toEqual([
      true,
      false,
      false,
      false,
    ])
  })
})

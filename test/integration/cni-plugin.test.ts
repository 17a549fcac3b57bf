/** tsnet as a CNI plugin: over a live daemon, and standing alone. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { type CniRequest, Runtime } from '../helpers/cni.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { eventually } from '../helpers/eventually.ts'

interface Result {
  readonly cniVersion: string
  readonly interfaces: readonly { name: string; mac: string; sandbox: string }[]
  readonly ips: readonly { address: string; gateway?: string; version?: string }[]
  readonly routes: readonly { dst: string; gw?: string }[]
  readonly dns: object
}

const root = mkdtempSync(join(tmpdir(), 'tsnet-cni-plugin-'))
const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const runtime = new Runtime(daemon.netns)

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await daemon.exec('ip', 'link', 'del', 'trunk')
  runtime.clear()
  await client.clear()
})
afterAll(async () => {
  await daemon.stop()
  rmSync(root, { recursive: true, force: true })
})

/** The socket of nobody makes the plugin stand alone. */
const forms = {
  'with the daemon': { host: `unix://${daemon.socket}`, stateDir: join(root, 'unused') },
  'standing alone': {
    host: `unix://${join(root, 'nobody.sock')}`,
    stateDir: join(root, 'alone'),
    bridge: 'alone0',
  },
}

const config = (form: object, more: object = {}): object => ({
  cniVersion: '1.0.0',
  name: 'pods',
  type: 'tsnet',
  bridge: 'pods0',
  ipam: { subnet: '10.71.0.0/24' },
  ...form,
  ...more,
})

const links = (): string => daemon.inNetns('ip', ['-o', 'link'])
const rules = (): string => daemon.inNetns('nft', ['list', 'ruleset'])

/** What is left of pods: their interfaces on the host, and the rules of their ports. */
const left = (): string[] => [...links().matchAll(/^\d+: (veth\w+)/gm)].map(([, name]) => name ?? '')

for (const [title, form] of Object.entries(forms)) {
  describe(`tsnet-cni ${title}`, () => {
    // A daemon that ends, or starts, leaves no network of pods that nobody uses.
    afterAll(async () => {
      await daemon.terminate()
      await daemon.launch()
      expect(links()).not.toMatch(/pods0|alone0/)
    })

    it('attaches a sandbox with address, routes and published ports, and takes all of it back, twice too', async () => {
      const [one, two] = [runtime.sandbox('one'), runtime.sandbox('two')]
      const port = { hostPort: 8071, containerPort: 80, protocol: 'tcp' }
      const own = config(form, {
        capabilities: { portMappings: true },
        runtimeConfig: { portMappings: [port], mac: '02:00:00:00:71:01' },
        ipam: { subnet: '10.71.0.0/24', routes: [{ dst: '0.0.0.0/0' }, { dst: '10.99.0.0/16' }] },
        dns: { nameservers: ['10.71.0.1'] },
      })
      const result = await runtime.ask<Result>('ADD', { containerId: 'one', netns: one, config: own })
      expect(result).toEqual({
        cniVersion: '1.0.0',
        interfaces: [{ name: 'eth0', mac: '02:00:00:00:71:01', sandbox: one }],
        ips: [{ address: '10.71.0.2/24', gateway: '10.71.0.1', interface: 0 }],
        routes: [{ dst: '0.0.0.0/0', gw: '10.71.0.1' }, { dst: '10.99.0.0/16' }],
        dns: { nameservers: ['10.71.0.1'] },
      })
      await runtime.ask('ADD', { containerId: 'two', netns: two, config: config(form) })
      runtime.inside('two', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.2')
      runtime.inside('one', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.1')
      expect(runtime.inside('one', 'ip', 'route')).toContain('10.99.0.0/16 via 10.71.0.1 dev eth0')
      expect(rules()).toContain('8071')
      const greedy = config(form, { runtimeConfig: { portMappings: [port] } })
      const taken = await runtime.call('ADD', {
        containerId: 'three',
        netns: runtime.sandbox('three'),
        config: greedy,
      })
      expect(taken).toMatchObject({ code: 1, json: { msg: expect.stringContaining('(by container one)') } })
      await runtime.ask('CHECK', { containerId: 'one', netns: one, config: { ...own, prevResult: result } })
      runtime.inside('one', 'ip', 'addr', 'del', '10.71.0.2/24', 'dev', 'eth0')
      const checked = await runtime.call('CHECK', { containerId: 'one', netns: one, config: own })
      expect(checked).toMatchObject({
        code: 1,
        json: { msg: expect.stringContaining('has lost 10.71.0.2/24') },
      })
      for (const request of [
        { containerId: 'one', netns: one, config: own },
        { containerId: 'one', netns: '', config: own },
        { containerId: 'two', netns: '', config: config(form) },
        { containerId: 'never', netns: '', config: config(form) },
      ])
        expect(await runtime.call('DEL', request)).toEqual({ code: 0, json: null })
      expect(left()).toEqual([])
      expect(rules()).not.toContain('8071')
    })

    it('speaks the versions 0.4.0 to 1.1.0, and refuses others and nonsense with the codes of the specification', async () => {
      const netns = runtime.sandbox('versions')
      const request = (more: object): CniRequest => ({ containerId: 'v', netns, config: config(form, more) })
      const { json } = await runtime.call('VERSION', request({}))
      expect(json).toMatchObject({ supportedVersions: expect.arrayContaining(['0.4.0', '1.0.0', '1.1.0']) })
      for (const cniVersion of ['0.4.0', '1.0.0', '1.1.0']) {
        const result = await runtime.ask<Result>('ADD', request({ cniVersion }))
        expect(result.cniVersion).toBe(cniVersion)
        expect(result.ips[0]?.version).toBe(cniVersion === '0.4.0' ? '4' : undefined)
        await runtime.ask('DEL', request({ cniVersion }))
      }
      const refusals: [object, number, string][] = [
        [{ cniVersion: '9.0.0' }, 1, 'version 9.0.0 of CNI is not spoken'],
        [{ name: 'a b' }, 7, 'name "a b" is none'],
        [{ ipam: { subnet: 'nowhere' } }, 7, 'subnet "nowhere" is no CIDR'],
        [{ ipam: { type: 'calico' } }, 7, 'tsnet gives addresses itself'],
        [{ runtimeConfig: { portMappings: [{ hostPort: 99999, containerPort: 1 }] } }, 7, 'port mapping'],
        [{ runtimeConfig: { ips: ['10.200.0.1'] } }, 7, '10.200.0.1'],
        [{ options: { colour: 'blue' } }, 7, 'no option colour'],
      ]
      for (const [more, code, msg] of refusals) {
        const answer = await runtime.call('ADD', request(more))
        expect(answer).toMatchObject({ code: 1, json: { code, msg: expect.stringContaining(msg) } })
      }
      const host = await runtime.call('ADD', { ...request({}), netns: `/run/netns/${daemon.netns}` })
      expect(host).toMatchObject({ code: 1, json: { msg: expect.stringContaining('namespace of the host') } })
      await runtime.ask('ADD', request({}))
      const again = await runtime.call('ADD', request({}))
      expect(again).toMatchObject({ code: 1, json: { msg: expect.stringContaining('eth0') } })
      expect(await runtime.call('STATUS', request({ cniVersion: '1.1.0' }))).toEqual({ code: 0, json: null })
      expect(left()).toHaveLength(1)
    })

    it('frees by GC what the runtime has lost sight of, and keeps the rest', async () => {
      const names = ['keep', 'lost', 'gone']
      for (const name of names)
        await runtime.ask('ADD', { containerId: name, netns: runtime.sandbox(name), config: config(form) })
      runtime.removeSandbox('gone')
      const valid = [{ containerID: 'keep', ifname: 'eth0' }]
      const gc = config(form, { cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid })
      await runtime.ask('GC', { containerId: '', netns: '', interfaceName: '', config: gc })
      expect(left()).toHaveLength(1)
      runtime.inside('keep', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.1')
      const fresh = await runtime.ask<Result>('ADD', {
        containerId: 'fresh',
        netns: runtime.sandbox('fresh'),
        config: config(form, { runtimeConfig: { ips: ['10.71.0.4'] } }),
      })
      expect(fresh.ips[0]?.address).toBe('10.71.0.4/24')
      await runtime.ask('GC', {
        containerId: '',
        netns: '',
        config: { ...gc, 'cni.dev/valid-attachments': [] },
      })
      expect(left()).toEqual([])
    })

    it('after a reboot has no lease of what ran before', async () => {
      const only = { name: 'small', bridge: 'small0', ipam: { subnet: '10.74.0.0/30' } }
      const request = (name: string): CniRequest => ({
        containerId: name,
        netns: runtime.sandbox(name),
        config: config(form, only),
      })
      const add = async (name: string): Promise<string | undefined> =>
        (await runtime.ask<Result>('ADD', request(name))).ips[0]?.address
      expect(await add('before')).toBe('10.74.0.2/30')
      await expect(add('late')).rejects.toThrow('no available addresses')
      await daemon.kill()
      for (const name of ['before', 'late']) runtime.removeSandbox(name)
      daemon.inNetns('ip', ['link', 'del', 'small0'])
      daemon.inNetns('nft', ['flush', 'ruleset'])
      await daemon.launch()
      expect(await add('after')).toBe('10.74.0.2/30')
      runtime.inside('after', 'busybox', 'ping', '-c', '1', '-W', '2', '10.74.0.1')
      await runtime.ask('DEL', { containerId: 'after', netns: '', config: config(form, only) })
      expect(left()).toEqual([])
    })

    it('serves macvlan networks with addresses of both families', async () => {
      daemon.inNetns('ip', ['link', 'add', 'trunk', 'type', 'veth', 'peer', 'name', 'far'])
      for (const end of ['trunk', 'far']) daemon.inNetns('ip', ['link', 'set', end, 'up'])
      const ranges = [[{ subnet: '10.72.0.0/24' }], [{ subnet: 'fd00:72::/64' }]]
      const own = config(form, { name: 'wire', driver: 'macvlan', master: 'trunk', ipam: { ranges } })
      const requests = ['wire1', 'wire2'].map((name) => ({
        containerId: name,
        netns: runtime.sandbox(name),
        config: own,
      }))
      const results: Result[] = []
      for (const request of requests) results.push(await runtime.ask<Result>('ADD', request))
      const [four, six] = results[0]?.ips.map(({ address }) => address.split('/')[0] ?? '') ?? []
      expect([four, six]).toEqual([
        expect.stringMatching(/^10\.72\.0\./),
        expect.stringMatching(/^fd00:72::/),
      ])
      for (const address of [four, six])
        runtime.inside('wire2', 'busybox', 'ping', '-c', '1', '-W', '2', address ?? '')
      for (const request of requests) await runtime.ask('DEL', request)
    })

    it('attaches and detaches many sandboxes at once, each with an address of its own, and leaves nothing', async () => {
      const count = 12
      const requests = Array.from({ length: count }, (_, index) => ({
        containerId: `many${index}`,
        netns: runtime.sandbox(`many${index}`),
        config: config(form, {
          runtimeConfig: { portMappings: [{ hostPort: 9000 + index, containerPort: 80, protocol: 'tcp' }] },
        }),
      }))
      const results = await Promise.all(requests.map((request) => runtime.ask<Result>('ADD', request)))
      expect(new Set(results.map(({ ips }) => ips[0]?.address)).size).toBe(count)
      expect(left()).toHaveLength(count)
      runtime.inside('many0', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.1')
      await Promise.all(requests.map((request) => runtime.ask('DEL', request)))
      expect(left()).toEqual([])
      expect(rules()).not.toMatch(/\b90\d\d\b/)
    })
  })
}

describe('tsnet-cni', () => {
  it('with the daemon keeps its pods over a crash, frees those that went meanwhile, and in the end the network', async () => {
    const form = forms['with the daemon']
    const port = { hostPort: 8072, containerPort: 80, protocol: 'tcp' }
    const ask = (name: string, more = {}) => ({
      containerId: name,
      netns: runtime.sandbox(name),
      config: config(form, more),
    })
    const [stays, goes] = [ask('stays', { runtimeConfig: { portMappings: [port] } }), ask('goes')]
    for (const request of [stays, goes]) await runtime.ask('ADD', request)
    await daemon.kill()
    runtime.removeSandbox('goes')
    await daemon.launch()
    expect(left()).toHaveLength(1)
    expect(rules()).toContain('8072')
    runtime.inside('stays', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.1')
    await runtime.ask('CHECK', stays)
    await daemon.terminate()
    runtime.inside('stays', 'busybox', 'ping', '-c', '1', '-W', '2', '10.71.0.1')
    await runtime.ask('DEL', stays)
    expect(left()).toEqual([])
    await daemon.launch()
    expect(rules()).not.toContain('8072')
    expect(links()).not.toContain('pods0')
    expect(existsSync(form.stateDir) ? readdirSync(join(form.stateDir, 'pods')) : []).toEqual([])
  })

  it('with the daemon puts right what somebody else does to its bridge and to the pods on it', async () => {
    const form = forms['with the daemon']
    await client.docker('network', 'create', '--subnet', '10.73.0.0/24', 'shop')
    const whole = { containerId: 'whole', netns: runtime.sandbox('whole'), config: config(form) }
    const guest = {
      containerId: 'guest',
      netns: runtime.sandbox('guest'),
      config: config(form, { network: 'shop' }),
    }
    for (const request of [whole, guest]) await runtime.ask('ADD', request)
    const reaches = (name: string, gateway: string) => () =>
      runtime.inside(name, 'busybox', 'ping', '-c', '1', '-W', '1', gateway)
    const [own] = /veth\w+(?=@.* master pods0 )/.exec(links()) ?? ['']
    const bridge = /br-[0-9a-f]{12}(?=:)/.exec(links())?.[0] ?? ''
    for (const change of [
      ['link', 'del', 'pods0'],
      ['link', 'set', 'pods0', 'down'],
      ['addr', 'del', '10.71.0.1/24', 'dev', 'pods0'],
      ['link', 'set', own, 'nomaster'],
    ]) {
      daemon.inNetns('ip', change)
      await eventually(reaches('whole', '10.71.0.1'))
    }
    daemon.inNetns('ip', ['link', 'del', bridge])
    await eventually(reaches('guest', '10.73.0.1'))
    await daemon.kill()
    daemon.inNetns('ip', ['link', 'del', 'pods0'])
    await daemon.launch()
    await eventually(reaches('whole', '10.71.0.1'))
    for (const request of [whole, guest]) await runtime.ask('DEL', request)
    await client.docker('network', 'rm', 'shop')
  })

  it('with the daemon keeps the ports of its pods from containers, also after a restart', async () => {
    const port = { hostPort: 8077, containerPort: 80, protocol: 'tcp' }
    const request = {
      containerId: 'holder',
      netns: runtime.sandbox('holder'),
      config: config(forms['with the daemon'], { runtimeConfig: { portMappings: [port] } }),
    }
    await runtime.ask('ADD', request)
    const refused = 'port is already allocated (by container holder)'
    expect(await client.refusal('run', '--rm', '-p', '8077:80', 'box', 'true')).toContain(refused)
    await daemon.kill()
    await daemon.launch()
    expect(await client.refusal('run', '--rm', '-p', '8077:80', 'box', 'true')).toContain(refused)
    await runtime.ask('DEL', request)
    await client.docker('run', '--rm', '-p', '8077:80', 'box', 'true')
  })

  it('standing alone and killed at any moment leaves nothing that the next call does not take away', async () => {
    const form = forms['standing alone']
    const port = { hostPort: 8076, containerPort: 80, protocol: 'tcp' }
    const own = config(form, { runtimeConfig: { portMappings: [port] } })
    const began = performance.now()
    await runtime.ask('ADD', { containerId: 'whole', netns: runtime.sandbox('whole'), config: own })
    await runtime.ask('DEL', { containerId: 'whole', netns: '', config: own })
    const whole = (performance.now() - began) / 2
    for (let turn = 0; turn < 8; turn++) {
      const request = { containerId: `cut${turn}`, netns: runtime.sandbox(`cut${turn}`), config: own }
      await runtime.cut('ADD', request, (whole * (turn + 2)) / 9)
      await runtime.ask('DEL', request)
      expect([left(), readdirSync(join(form.stateDir, 'pods'))]).toEqual([[], []])
    }
    const last = { containerId: 'last', netns: runtime.sandbox('last'), config: own }
    await runtime.ask('ADD', last)
    await runtime.cut('DEL', last, whole / 2)
    await runtime.ask('DEL', last)
    const next = { containerId: 'next', netns: runtime.sandbox('next'), config: own }
    const { ips } = await runtime.ask<Result>('ADD', next)
    expect(ips[0]?.address).toBe('10.71.0.2/24')
    await runtime.ask('DEL', next)
    expect(rules()).not.toContain('8076')
    expect(links()).not.toContain('alone0')
  })

  it('puts pods on networks of the daemon’s, beside its containers', async () => {
    await client.docker('network', 'create', '--subnet', '10.73.0.0/24', 'shop')
    await client.wait('web', '--network', 'shop')
    const request = {
      containerId: 'guest',
      netns: runtime.sandbox('guest'),
      config: config(forms['with the daemon'], { network: 'shop' }),
    }
    const { ips } = await runtime.ask<Result>('ADD', request)
    expect(ips[0]).toMatchObject({ address: '10.73.0.3/24', gateway: '10.73.0.1' })
    await client.inside('web', 'ping -c 1 -W 2 10.73.0.3')
    await client.remove('web')
    expect(await client.refusal('network', 'rm', 'shop')).toContain('guest')
    await daemon.kill()
    await daemon.launch()
    runtime.inside('guest', 'busybox', 'ping', '-c', '1', '-W', '2', '10.73.0.1')
    await client.wait('web', '--network', 'shop')
    expect(await client.addressOf('web', 'shop')).not.toBe('10.73.0.3')
    await runtime.ask('DEL', request)
    await client.remove('web')
    await client.docker('network', 'rm', 'shop')
  })
})

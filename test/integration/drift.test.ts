/** Networks whose links somebody else changes come back by themselves. */
import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { EventReader } from '../helpers/events.ts'

const daemon = await TestDaemon.start()
const { docker, tsnet, wait, inside, inspect, remove, addressOf } = new TestClient(daemon)
const bridge = 'br-drift'
let veth = ''

const ip = (...args: string[]): string => daemon.inNetns('ip', args)

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  const name = `com.docker.network.bridge.name=${bridge}`
  await docker('network', 'create', '--subnet', '10.77.0.0/24', '--opt', name, 'drift')
  await wait('one', '--network', 'drift')
  await wait('two', '--network', 'drift')
  veth = ports()[0] ?? ''
})
afterAll(() => daemon.stop())

async function reaches(from: string, to: string): Promise<boolean> {
  const result = await daemon.dockerWith({}, 'exec', from, 'ping', '-c', '1', '-W', '1', to)
  return result.code === 0
}

/** Within the two seconds that are promised, and what a busy machine takes. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000
  while (!(await condition()) && Date.now() < end) await delay(50)
  expect(await condition()).toBe(true)
}

/** The host's ends of what is on the bridge; none while there is no bridge. */
function ports(): string[] {
  if (!ip('-br', 'link').includes(`${bridge} `)) return []
  return ip('-br', 'link', 'show', 'master', bridge).match(/^veth[^@]+/gm) ?? []
}

const addressed = (): boolean => /br-drift +UP +10\.77\.0\.1\/24/.test(ip('-br', 'addr'))

describe('a bridge that somebody', () => {
  it.each([
    ['deletes', ['link', 'del', bridge]],
    ['takes down', ['link', 'set', bridge, 'down']],
    ['robs of its address', ['addr', 'del', '10.77.0.1/24', 'dev', bridge]],
  ])('%s is back soon, with its ports', async (_what, command) => {
    ip(...command)
    await until(() => addressed() && ports().length === 2)
    const two = await addressOf('two', 'drift')
    await until(async () => (await reaches('one', two)) && (await reaches('one', '10.77.0.1')))
  })
})

it('an interface that somebody takes out of its bridge is put back', async () => {
  ip('link', 'set', veth, 'nomaster')
  await until(() => ports().includes(veth))
})

it('an interface that somebody takes down is up again', async () => {
  ip('link', 'set', veth, 'down')
  await until(() => /state UP/.test(ip('link', 'show', veth)))
})

describe('an interface of a running container that somebody removes', () => {
  const mac = '02:42:0a:4e:00:09'
  const sysctls = 'com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1'
  const dual = ['--subnet', '10.78.0.0/24', '--ipv6', '--subnet', 'fd00:78::/64']
  const elsewhere = `${daemon.netns}-far`
  let id = ''

  beforeAll(async () => {
    execFileSync('ip', ['netns', 'add', elsewhere])
    await docker('network', 'create', ...dual, '-o', 'com.docker.network.bridge.enable_icc=false', 'rich')
    const name = 'name=rich,ip=10.78.0.9,ip6=fd00:78::9,alias=front,gw-priority=5'
    const endpoint = `${name},mac-address=${mac},"driver-opt=${sysctls}"`
    const rates = ['--net-rate', '80mbit,burst=16k', '--net-rate-in', '90mbit,burst=16k']
    id = await tsnet(
      ...['run', '-d', '--name', 'web', '--network', endpoint, '--network', 'drift', '-p', '18080:80'],
      ...[...rates, 'box', 'sh', '-c', 'echo up >/tmp/index.html; exec httpd -f -h /tmp'],
    )
  })
  afterAll(async () => {
    await remove('web')
    await docker('network', 'rm', 'rich')
    execFileSync('ip', ['netns', 'del', elsewhere])
  })

  const within = (...args: string[]): string =>
    execFileSync('nsenter', [`--net=${daemon.execRoot}/netns/${id}`, ...args], {
      encoding: 'utf8',
      // ip(8) complains that it cannot show where the other ends are
      stdio: ['ignore', 'pipe', 'ignore'],
    })

  const tc = (...args: string[]): string => daemon.inNetns('tc', args)

  /** The host's end of the interface to `rich`, '' for none. */
  const outer = (): string => {
    const [, master = ''] = /^(br-\w+) .* 10\.78\.0\.1/m.exec(ip('-br', 'addr')) ?? []
    const links = ip('-br', 'link', 'show', 'master', master).match(/^veth[^@]+/gm) ?? []
    return links.find((link) => tc('qdisc', 'show', 'dev', link).includes('tbf')) ?? ''
  }

  /** All that the interface has, without what is counted or numbered. */
  const seen = (): string =>
    [
      within('ip', '-o', 'addr', 'show'),
      within('ip', '-o', 'link', 'show'),
      within('ip', 'route'),
      within('ip', '-6', 'route'),
      within('sysctl', 'net.ipv4.conf.eth0.log_martians', 'net.ipv4.conf.eth1.log_martians'),
      within('tc', 'qdisc', 'show'),
      ip('-d', 'link', 'show', outer()).match(/isolated (on|off)/)?.[0] ?? 'not isolated',
    ]
      .join('')
      .replaceAll(/^\d+: |@if\d+|valid_lft \S+|link-netnsid \d+|qdisc tbf \w+:/gm, '')
      .split('\n')
      .sort()
      .join('\n')

  const fetches = async (): Promise<boolean> =>
    (await daemon.exec('curl', '-s', '-m', '2', 'http://127.0.0.1:18080/')).stdout === 'up\n'

  it.each([
    ['on the host', () => ip('link', 'del', outer())],
    ['inside the container', () => within('ip', 'link', 'del', 'eth0')],
    ['by moving its end on the host elsewhere', () => ip('link', 'set', outer(), 'netns', elsewhere)],
  ])('%s is back soon, as it was', async (_how, harm) => {
    const before = seen()
    expect(before).toMatch(
      /default via 10\.78\.0\.1 dev eth0[\s\S]*10\.78\.0\.9\/24[\s\S]*fd00:78::9\/64[\s\S]*isolated on/,
    )
    await until(fetches)
    harm()
    await until(() => outer() !== '' && seen() === before)
    expect(seen()).toBe(before)
    await until(fetches)
  })

  it('is told as an event that names the container', async () => {
    const events = await EventReader.open(daemon, { type: ['network'] })
    ip('link', 'del', outer())
    await until(() => events.seen.length > 0)
    events.close()
    const faults = 'interface eth0 of container web was gone'
    const attributes = { name: 'rich', type: 'bridge', faults, container: id }
    expect(events.seen[0]).toMatchObject({ Action: 'repair', Actor: { Attributes: attributes } })
  })

  it('and whose name is taken stays away, which is told, until its place is free', async () => {
    const before = seen()
    const events = await EventReader.open(daemon, { type: ['network'] })
    within('sh', '-c', 'ip link set eth0 down && ip link set eth0 name old0 && ip link add eth0 type bridge')
    within('ip', 'link', 'del', 'old0')
    await until(() => events.seen.length > 0)
    expect(events.seen[0]).toMatchObject({
      Action: 'repair-failed',
      Actor: { Attributes: { name: 'rich', container: id, error: expect.stringMatching(/EEXIST/) } },
    })
    within('ip', 'link', 'del', 'eth0')
    await until(() => outer() !== '' && seen() === before && events.seen.length > 1)
    events.close()
    expect(events.seen.map(({ Action }) => Action)).toEqual(['repair-failed', 'repair'])
    await until(fetches)
  })

  it('as the container leaves the network, ends or is removed, does not come back', async () => {
    await wait('brief', '--network', 'rich')
    await wait('mortal', '--network', 'rich')
    const present = ports()
    await docker('network', 'connect', 'drift', 'brief')
    await docker('network', 'connect', 'drift', 'mortal')
    const events = await EventReader.open(daemon, { type: ['network'], event: ['repair', 'repair-failed'] })
    await docker('network', 'disconnect', 'drift', 'brief')
    await docker('kill', 'mortal')
    await remove('brief')
    await delay(500)
    events.close()
    expect(events.seen).toEqual([])
    expect(ports()).toEqual(present)
    await remove('mortal')
  })
})

describe('a macvlan network', () => {
  const parent = 'par0'
  const place = [
    '-d',
    'macvlan',
    '-o',
    `parent=${parent}`,
    '-o',
    'host-access=true',
    '--subnet',
    '10.79.0.0/24',
  ]
  const lay = (): void => {
    ip('link', 'add', parent, 'type', 'veth', 'peer', 'name', 'par1')
    for (const link of [parent, 'par1']) ip('link', 'set', link, 'up')
  }
  const hostReaches = async (): Promise<boolean> =>
    (await daemon.exec('busybox', 'ping', '-c', '1', '-W', '1', '10.79.0.9')).code === 0

  beforeAll(async () => {
    lay()
    await docker('network', 'create', ...place, 'lan')
    await wait('near', '--network', 'lan', '--ip', '10.79.0.9', '--mac-address', '02:42:0a:4f:00:09')
  })
  afterAll(async () => {
    await remove('near')
    await docker('network', 'rm', 'lan')
    ip('link', 'del', parent)
  })

  const seen = (): Promise<string> =>
    inside('near', 'ip -4 addr show eth0 | grep inet; ip route; cat /sys/class/net/eth0/address')

  it('whose parent goes says so, and is whole again when it comes back', async () => {
    await until(hostReaches)
    const before = await seen()
    const events = await EventReader.open(daemon, { type: ['network'] })
    ip('link', 'del', parent)
    await until(() => events.seen.length > 0)
    expect(events.seen[0]).toMatchObject({
      Action: 'repair-failed',
      Actor: {
        Attributes: { name: 'lan', error: expect.stringContaining('parent interface par0 is gone') },
      },
    })
    lay()
    await until(async () => (await hostReaches()) && (await seen()) === before)
    events.close()
    expect(events.seen.at(-1)?.Actor.Attributes['faults']).toBe('interface eth0 of container near was gone')
  })

  it('gives back an interface that is removed inside the container', async () => {
    const before = await seen()
    const { Id } = await inspect('container', 'near')
    execFileSync('nsenter', [`--net=${daemon.execRoot}/netns/${Id}`, 'ip', 'link', 'del', 'eth0'])
    await until(async () => (await hostReaches()) && (await seen()) === before)
  })
})

it('each repair is an event of the network that says what was wrong', async () => {
  const events = await EventReader.open(daemon, { type: ['network'] })
  ip('link', 'set', bridge, 'down')
  await until(() => events.seen.length > 0)
  events.close()
  expect(events.seen[0]).toMatchObject({
    Action: 'repair',
    Actor: { Attributes: { name: 'drift', faults: expect.stringMatching(/^bridge br-drift was down/) } },
  })
})

it('a network that is removed does not come back', async () => {
  await docker('network', 'create', '--opt', 'com.docker.network.bridge.name=br-short', 'short')
  ip('link', 'set', 'br-short', 'down')
  await docker('network', 'rm', 'short')
  await delay(600)
  expect(ip('-br', 'link')).not.toContain('br-short')
})

it('bridges and interfaces follow the MTU of the way out, unless they have one of their own', async () => {
  await docker('network', 'create', '--opt', 'com.docker.network.driver.mtu=1450', 'fixed')
  await wait('three', '--network', 'fixed')
  ip('link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'far0')
  ip('addr', 'add', '192.0.2.2/24', 'dev', 'out0')
  for (const link of ['out0', 'far0']) ip('link', 'set', link, 'up')
  ip('link', 'set', 'out0', 'mtu', '1400')
  ip('route', 'add', 'default', 'via', '192.0.2.1')
  const mtu = async (container: string): Promise<string> =>
    (await inside(container, 'cat /sys/class/net/eth0/mtu')).trim()
  await until(async () => (await mtu('one')) === '1400' && (await mtu('two')) === '1400')
  ip('link', 'set', 'out0', 'mtu', '1380')
  await until(async () => (await mtu('one')) === '1380' && ip('link', 'show', bridge).includes('mtu 1380'))
  expect(await mtu('three')).toBe('1450')
})

it('what is done while no daemon runs is put right by the next one, for containers that went on', async () => {
  await daemon.kill()
  ip('link', 'del', veth)
  ip('link', 'del', bridge)
  ip('link', 'set', 'out0', 'mtu', '1390')
  await daemon.launch()
  await until(() => addressed() && ports().length === 2)
  const two = await addressOf('two', 'drift')
  await until(async () => (await reaches('one', two)) && (await reaches('one', '10.77.0.1')))
  await until(async () => (await inside('one', 'cat /sys/class/net/eth0/mtu')).trim() === '1390')
})

it('a daemon that ends takes no repair for a change of somebody else', async () => {
  await docker('rm', '-f', 'one', 'two', 'three')
  await daemon.terminate()
  expect(execFileSync('ip', ['-n', daemon.netns, '-br', 'link', 'show', 'type', 'bridge']).toString()).toBe(
    '',
  )
  await daemon.launch()
  expect(ip('-br', 'addr')).toContain('10.77.0.1/24')
})

/** Networks whose links somebody else changes come back by themselves. */
import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { EventReader } from '../helpers/events.ts'

const daemon = await TestDaemon.start()
const { docker, wait, inside, addressOf } = new TestClient(daemon)
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

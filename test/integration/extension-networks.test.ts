/** The examples' network driver and address manager in a live daemon. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxArchive, repository, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
const drivers = mkdtempSync(join(tmpdir(), 'tsnet-drivers-'))
const leasing = join(drivers, 'leasing.ts')

const links = (): string[] =>
  JSON.parse(daemon.inNetns('ip', ['-j', 'link'])).map(({ ifname }: { ifname: string }) => ifname)
const inspect = async (container: string, format: string): Promise<string> =>
  (await daemon.docker('inspect', '-f', format, container)).stdout.trim()
const address = (container: string): Promise<string> =>
  inspect(container, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')

beforeAll(async () => {
  copyFileSync(join(repository, 'examples/point-to-point.ts'), join(drivers, 'point-to-point.ts'))
  copyFileSync(join(repository, 'examples/new/ipam.ts'), leasing)
  daemon = await TestDaemon.start(['--driver-dir', drivers])
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'busybox')
})

afterAll(async () => {
  await daemon?.stop()
  rmSync(drivers, { recursive: true, force: true })
})

test('containers talk over routes, over a restart of the daemon and a reload, and leave nothing', async () => {
  const before = links()
  const create = [
    'network',
    'create',
    '-d',
    'point-to-point',
    '--ipam-driver',
    'leasing',
    '-o',
    'mtu=1400',
    'routed',
  ]
  expect(await daemon.docker(...create)).toMatchObject({ code: 0, stderr: '' })
  for (const name of ['one', 'two']) {
    const started = await daemon.docker(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      'routed',
      'busybox',
      'sleep',
      '1000',
    )
    expect(started).toMatchObject({ code: 0, stderr: '' })
  }
  expect([await address('one'), await address('two')]).toEqual(['10.200.0.2', '10.200.0.3'])
  const ping = () => daemon.docker('exec', 'one', 'ping', '-c1', '-W2', 'two')
  expect((await ping()).code).toBe(0)
  expect((await daemon.docker('exec', 'one', 'cat', '/sys/class/net/eth0/mtu')).stdout).toBe('1400\n')
  await daemon.kill()
  await daemon.launch()
  expect((await ping()).code).toBe(0)
  writeFileSync(leasing, `// another version\n${readFileSync(leasing, 'utf8')}`)
  expect((await daemon.tsnet('driver', 'reload')).code).toBe(0)
  await daemon.docker('run', '-d', '--name', 'three', '--network', 'routed', 'busybox', 'sleep', '1000')
  expect(await address('three')).toBe('10.200.0.4')
  await daemon.docker('rm', '-f', 'one', 'two', 'three')
  expect((await daemon.docker('network', 'rm', 'routed')).code).toBe(0)
  expect(links()).toEqual(before)
})

test('a network whose drivers are broken at the start is taken up when they load', async () => {
  await daemon.docker('network', 'create', '-d', 'point-to-point', '--ipam-driver', 'leasing', 'later')
  await daemon.terminate()
  writeFileSync(leasing, 'export default {')
  await daemon.launch()
  const failed = await daemon.docker('run', '--name', 'waits', '--network', 'later', 'busybox', 'true')
  expect(failed.stderr).toContain('driver leasing: ')
  const gone = await daemon.docker('run', '--rm', '--network', 'later', 'busybox', 'true')
  expect(gone.stderr).toContain('driver leasing: ')
  copyFileSync(join(repository, 'examples/new/ipam.ts'), leasing)
  expect((await daemon.tsnet('driver', 'reload')).code).toBe(0)
  expect(await daemon.docker('start', '-a', 'waits')).toMatchObject({ code: 0, stderr: '' })
  expect((await daemon.docker('rm', 'waits')).code).toBe(0)
  expect((await daemon.docker('network', 'rm', 'later')).code).toBe(0)
})

test('options of networks are refused by the schema', async () => {
  const { stderr } = await daemon.docker('network', 'create', '-d', 'point-to-point', '-o', 'mtu=12', 'small')
  expect(stderr).toContain('driver point-to-point: option mtu "12": must be >= 1280')
})

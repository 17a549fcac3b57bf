/** Options of the local driver through a live daemon and Docker's client. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { EventReader } from '../helpers/events.ts'

let daemon: TestDaemon

beforeAll(async () => {
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  const ids = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter((id) => id !== '')
  if (ids.length > 0) await daemon.docker('rm', '-f', ...ids)
})
afterAll(() => daemon.stop())

const create = (name: string, ...options: string[]) =>
  daemon.docker('volume', 'create', ...options.flatMap((option) => ['-o', option]), name)

const mounts = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${daemon.dataRoot}/volumes/`))

describe('an image of a file system as a volume', () => {
  it('is mounted once for all that use it, and keeps its data', async () => {
    const device = join(daemon.root, 'disk.img')
    execFileSync('truncate', ['-s', '32m', device])
    execFileSync('mkfs.ext4', ['-q', device], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } })
    expect((await create('disk', 'type=ext4', `device=${device}`, 'o=noatime')).code).toBe(0)
    expect(mounts()).toEqual([])

    const run = ['run', '-v', 'disk:/disk', 'box', 'sh', '-c']
    const first = await daemon.docker('run', '-d', ...run.slice(1), 'echo text > /disk/file; sleep 600')
    expect(first.code).toBe(0)
    await expect.poll(async () => (await daemon.docker(...run, 'cat /disk/file')).stdout).toBe('text\n')
    expect(mounts()).toHaveLength(1)
    const { stdout } = await daemon.docker('volume', 'inspect', '-f', '{{json .Status}}', 'disk')
    expect(JSON.parse(stdout)).toEqual({ Mounted: true, Users: 1 })

    await daemon.docker('rm', '-f', first.stdout.trim())
    await expect.poll(mounts).toEqual([])
    expect((await daemon.docker(...run, 'cat /disk/file')).stdout).toBe('text\n')
  })
})

describe('options that cannot be', () => {
  it.each([
    [['x=1'], 'create vol: invalid option: "x"'],
    [['type=tmpfs'], 'create vol: missing required option: "device"'],
    [['device=tmpfs'], 'create vol: missing required option: "type"'],
    [['o=size=1m'], 'create vol: missing required option: "device"'],
  ])('are refused in Docker’s words: %j', async (options, message) => {
    const { code, stderr } = await create('vol', ...options)
    expect(code).toBe(1)
    expect(stderr).toBe(`Error response from daemon: ${message}\n`)
    expect((await daemon.docker('volume', 'ls', '-q')).stdout).not.toContain('vol\n')
  })

  it('are told of by the start that needs them, which leaves nothing', async () => {
    await create('nowhere', 'type=none', 'o=bind', 'device=/nonexistent')
    const { code, stderr } = await daemon.docker('run', '-v', 'nowhere:/data', 'box', 'true')
    expect(code).not.toBe(0)
    const data = `${daemon.dataRoot}/volumes/nowhere/_data`
    expect(stderr).toContain(
      `error while mounting volume '${data}': failed to mount local volume: mount /nonexistent:${data}, flags: 0x1000: no such file or directory`,
    )
    expect(mounts()).toEqual([])
  })
})

it('the start and the end of a container are told for each place that it has a volume at', async () => {
  await create('told')
  const events = await EventReader.open(daemon, { type: ['volume'], volume: ['told'] })
  const options = ['-v', 'told:/one', '--mount', 'type=volume,src=told,dst=/two,readonly']
  const id = (await daemon.docker('create', ...options, 'box', 'true')).stdout.trim()
  expect((await daemon.docker('start', '-a', id)).code).toBe(0)
  await expect.poll(() => events.seen).toHaveLength(4)
  events.close()
  const common = { driver: 'local', container: id }
  const told = events.seen.map(({ Action, Actor }) => [Action, Actor])
  const mounted = (destination: string, isWritable: boolean) => [
    'mount',
    { ID: 'told', Attributes: { ...common, destination, 'read/write': `${isWritable}`, propagation: '' } },
  ]
  const unmounted = ['unmount', { ID: 'told', Attributes: common }]
  expect(told).toEqual([mounted('/one', true), mounted('/two', false), unmounted, unmounted])
})

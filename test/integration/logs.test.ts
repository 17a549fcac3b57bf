import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import type { Result } from '../helpers/daemon.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
let client: TestClient

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await client.docker(
    'run',
    '--name',
    'both',
    'box',
    'sh',
    '-c',
    'echo out; sleep 0.05; echo err >&2; sleep 0.05; echo end',
  )
})
afterAll(() => daemon?.stop())

const clients = [
  ['docker', (...args: string[]) => daemon.docker('logs', ...args)],
  ['tsnet', (...args: string[]) => daemon.tsnet('logs', ...args)],
] as const

describe.each(clients)('%s logs', (_name, logs: (...args: string[]) => Promise<Result>) => {
  it('gives what was written, errors apart from output', async () => {
    expect(await logs('both')).toEqual({ code: 0, stdout: 'out\nend\n', stderr: 'err\n' })
  })

  it.each([
    ['0', '', ''],
    ['1', 'end\n', ''],
    ['2', 'end\n', 'err\n'],
    ['9', 'out\nend\n', 'err\n'],
    ['all', 'out\nend\n', 'err\n'],
  ])('--tail %s gives the last lines', async (tail, stdout, stderr) => {
    expect(await logs('--tail', tail, 'both')).toEqual({ code: 0, stdout, stderr })
  })

  it('-t puts the time before every line, and --since and --until choose by it', async () => {
    const { stdout } = await logs('-t', 'both')
    const times = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
    expect(times).toHaveLength(2)
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
    expect(await logs('--since', times[1] ?? '', 'both')).toMatchObject({ stdout: 'end\n', stderr: '' })
    expect(await logs('--until', times[0] ?? '', 'both')).toMatchObject({ stdout: 'out\n', stderr: '' })
    expect(await logs('--since', '1h', 'both')).toMatchObject({ stdout: 'out\nend\n' })
    expect(await logs('--until', '2001-01-01', 'both')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('-f goes on until the container ends, an unfinished last line too', async () => {
    const script = 'echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two; printf three'
    const id = await client.docker('run', '-d', 'box', 'sh', '-c', script)
    const following = logs('-f', id)
    await client.inside(id, 'touch /go')
    expect(await following).toEqual({ code: 0, stdout: 'one\ntwo\nthree', stderr: '' })
    // Of a container that has ended there is nothing to wait for.
    expect((await logs('-f', '--tail', '1', id)).stdout).toBe('three')
    await client.remove(id)
  })

  it('of an unknown container is refused by name', async () => {
    const { code, stderr } = await logs('nope')
    expect([code, stderr]).toEqual([1, expect.stringContaining('No such container: nope')])
  })
})

describe('a log', () => {
  it('of a terminal is what the terminal showed', async () => {
    await daemon.docker('run', '-t', '--name', 'shown', 'box', 'sh', '-c', 'echo out; echo err >&2')
    expect((await daemon.docker('logs', 'shown')).stdout).toBe('out\r\nerr\r\n')
  })

  it('of many and of long lines is complete', async () => {
    const script = 'seq 1 20000; head -c 40000 /dev/zero | tr "\\0" x; echo'
    const { stdout } = await daemon.docker('run', '--name', 'long', 'box', 'sh', '-c', script)
    expect(stdout).toHaveLength(108_894 + 40_001)
    expect((await daemon.docker('logs', 'long')).stdout).toBe(stdout)
  })

  it('goes on over a restart', async () => {
    await client.docker('create', '--name', 'again', 'box', 'echo', 'up')
    for (const _ of [1, 2]) await client.docker('start', '-a', 'again')
    expect(await client.docker('logs', 'again')).toBe('up\nup')
  })

  it('of a container that never ran is empty, and following it waits for nothing', async () => {
    await client.docker('create', '--name', 'never', 'box', 'true')
    expect(await daemon.docker('logs', 'never')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await daemon.docker('logs', '-f', 'never')).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})

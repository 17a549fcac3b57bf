import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Result, RunOptions } from '../helpers/daemon.ts'
import { busyboxArchive, dockerClient, TestDaemon } from '../helpers/daemon.ts'
import { Terminal } from '../helpers/pty.ts'

let daemon: TestDaemon

beforeAll(async () => {
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await daemon.docker('run', '-d', '-e', 'A=1', '--name', 'web', 'box', 'sleep', '600')
  await daemon.docker('run', '-dt', '--name', 'tty', 'box', 'sleep', '600')
})
afterAll(() => daemon?.stop())

const clients = [
  ['docker', (options: RunOptions, ...args: string[]) => daemon.dockerWith(options, ...args)],
  ['tsnet', (options: RunOptions, ...args: string[]) => daemon.tsnetWith(options, ...args)],
] as const

describe.each(clients)('%s exec', (_name, client) => {
  const exec = (...args: string[]): Promise<Result> => client({}, 'exec', ...args)

  it.each([
    ['0 for success', ['web', 'true'], 0],
    ["the program's own", ['web', 'sh', '-c', 'exit 3'], 3],
    ['128 and the signal that ended it', ['web', 'sh', '-c', 'kill -9 $$'], 137],
    ['126 for what cannot be executed', ['web', '/etc/passwd'], 126],
    ['127 for what is not there', ['web', 'nope'], 127],
    ['126 for an unknown user', ['-u', 'nobody', 'web', 'true'], 126],
    ['126 for a directory that is not there', ['-w', '/nonexist', 'web', 'true'], 126],
  ])('ends with %s', async (_title, args, code) => {
    expect((await exec(...args)).code).toBe(code)
  })

  it('has the environment, directory and user that were asked for beside the container’s', async () => {
    const script = 'echo $A $B $HOME; printenv TERM; pwd; id -u; hostname'
    const { stdout } = await exec('-e', 'B=2', '-w', '/tmp', '-u', 'web', 'web', 'sh', '-c', script)
    expect(stdout).toMatch(/^1 2 \/home\/web\n\/tmp\n1000\n[0-9a-f]{12}\n$/)
  })

  it('knows no terminal’s type without a terminal, though the container has one', async () => {
    expect((await exec('tty', 'sh', '-c', 'printenv TERM; echo none')).stdout).toBe('none\n')
  })

  it('has a terminal with -t', async () => {
    const { stdout } = await exec('-t', 'web', 'sh', '-c', 'tty; echo $TERM')
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\nxterm\r\n$/)
  })

  it('passes five megabytes through unchanged with -i', async () => {
    const input = randomBytes(5_000_000)
    const { stdout } = await client({ input }, 'exec', '-i', 'web', 'md5sum')
    expect(stdout.slice(0, 32)).toBe(createHash('md5').update(input).digest('hex'))
  })

  it('keeps output and errors apart', async () => {
    expect(await exec('web', 'sh', '-c', 'echo out; echo err >&2')).toEqual({
      code: 0,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  it('runs two at once without mixing them up', async () => {
    const loop = (word: string) => `for i in 1 2 3 4 5; do echo ${word}; sleep 0.02; done`
    const [first, second] = await Promise.all([
      exec('web', 'sh', '-c', loop('a')),
      exec('web', 'sh', '-c', loop('b')),
    ])
    expect([first.stdout, second.stdout]).toEqual(['a\n'.repeat(5), 'b\n'.repeat(5)])
  })

  it('with -d returns before the program ends', async () => {
    const file = `/detached-${_name}`
    const detached = await exec('-d', 'web', 'sh', '-c', `mkfifo ${file}; cat ${file} > /dev/null`)
    expect(detached).toEqual({ code: 0, stdout: '', stderr: '' })
    const write = `until [ -p ${file} ]; do :; done; echo x > ${file}; echo written`
    expect((await exec('web', 'sh', '-c', write)).stdout).toBe('written\n')
  })

  it('has the rights of the container and nothing of the host', async () => {
    const script =
      'ls /proc/self/fd | tr "\\n" " "; umask; grep -E "^(CapEff|Seccomp|SigIgn):" /proc/self/status; cut -d: -f3 /proc/self/cgroup | sort -u'
    const { stdout } = await exec('web', 'sh', '-c', script)
    expect(stdout).toBe(
      '0 1 2 3 0022\nSigIgn:\t0000000000000000\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n/\n',
    )
  })

  it('into a stopped or unknown container is refused by name', async () => {
    await client({}, 'create', '--name', 'still', 'box', 'true')
    const stopped = await exec('still', 'true')
    expect(stopped.code).toBe(1)
    expect(stopped.stderr).toMatch(/container [0-9a-f]{64} is not running\n$/)
    expect(await exec('nope', 'true')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('No such container: nope'),
    })
    await client({}, 'rm', 'still')
  })

  it('ends when the container is killed', async () => {
    const { stdout } = await client({}, 'run', '-d', 'box', 'sleep', '600')
    const id = stdout.trim()
    const running = exec(id, 'sh', '-c', 'touch /up; sleep 600')
    await exec(id, 'sh', '-c', 'until [ -e /up ]; do :; done')
    await client({}, 'kill', id)
    expect((await running).code).toBe(137)
    await client({}, 'rm', id)
  })
})

describe('docker exec on a terminal', () => {
  it('has its size, and ends with the status of the shell', async () => {
    const docker = dockerClient()
    await using terminal = new Terminal(`${docker} exec -it web sh; echo "code $?"`, {
      DOCKER_HOST: `unix://${daemon.socket}`,
    })
    await terminal.until(/# /)
    terminal.type('stty size\r')
    await terminal.until(/33 111\r\n/)
    terminal.type('exit 8\r')
    await terminal.until(/code 8/)
  })
})

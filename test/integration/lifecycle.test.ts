import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
let client: TestClient

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(() => client.clear())
afterAll(() => daemon?.stop())

/** Ends with 7 at SIGTERM, and says when it is ready for it. */
const obedient = 'trap "echo term; exit 7" TERM; trap "echo hup" HUP; echo up; while :; do sleep 0.02; done'

const clients = [
  ['docker', (...args: string[]) => daemon.docker(...args)],
  ['tsnet', (...args: string[]) => daemon.tsnet(...args)],
] as const

describe.each(clients)('with the %s client, a container', (_name, run) => {
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args)
    expect([code, stderr], args.join(' ')).toEqual([0, ''])
    return stdout.trim()
  }
  const stateOf = (name: string): Promise<string> =>
    ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}} {{.State.Running}}', name)
  /** Resolves once the container has said the word. */
  const said = async (name: string, word: string): Promise<void> => {
    while (!(await daemon.docker('logs', name)).stdout.includes(word));
  }
  const start = async (script: string, ...options: string[]): Promise<void> => {
    await ok('run', '-d', '--name', 'box1', ...options, 'box', 'sh', '-c', `${script}`)
    if (script.includes('echo up')) await said('box1', 'up')
  }

  it('is created, started, and waited for with its exit code', async () => {
    expect(await ok('create', '--name', 'box1', 'box', 'sh', '-c', 'exit 5')).toMatch(/^[0-9a-f]{64}$/)
    expect(await stateOf('box1')).toBe('created 0 false')
    expect(await ok('start', 'box1')).toBe('box1')
    expect(await ok('wait', 'box1')).toBe('5')
    expect(await stateOf('box1')).toBe('exited 5 false')
  })

  it('is waited for with others, each telling its own code', async () => {
    await ok('create', '--name', 'first', 'box', 'sh', '-c', 'exit 1')
    await ok('create', '--name', 'second', 'box', 'sh', '-c', 'sleep 0.2; exit 2')
    expect(await ok('start', 'first', 'second')).toBe('first\nsecond')
    expect(await ok('wait', 'first', 'second')).toBe('1\n2')
  })

  it('started with -a shows its output and ends with its code', async () => {
    await ok('create', '--name', 'box1', 'box', 'sh', '-c', 'echo out; echo err >&2; exit 4')
    expect(await run('start', '-a', 'box1')).toEqual({ code: 4, stdout: 'out\n', stderr: 'err\n' })
  })

  it('is not harmed by a second start', async () => {
    await start(obedient)
    expect(await ok('start', 'box1')).toBe('box1')
    expect(await ok('logs', 'box1')).toBe('up')
  })

  it('stops at SIGTERM as soon as the program ends, and a second stop changes nothing', async () => {
    await start(obedient)
    const before = performance.now()
    expect(await ok('stop', 'box1')).toBe('box1')
    expect(performance.now() - before).toBeLessThan(5_000)
    expect(await stateOf('box1')).toBe('exited 7 false')
    expect(await ok('stop', 'box1')).toBe('box1')
    expect(await stateOf('box1')).toBe('exited 7 false')
  })

  it('that takes no notice of SIGTERM is killed after the time of stop -t', async () => {
    await start('trap "" TERM; echo up; while :; do sleep 0.05; done')
    await ok('stop', '-t', '1', 'box1')
    expect(await stateOf('box1')).toBe('exited 137 false')
  })

  it('stops by its own signal within its own time', async () => {
    await start(
      'trap "exit 9" USR1; trap "" TERM; echo up; while :; do sleep 0.02; done',
      '--stop-signal',
      'USR1',
    )
    await ok('stop', 'box1')
    expect(await stateOf('box1')).toBe('exited 9 false')
    await ok('rm', 'box1')
    await start('trap "" TERM; echo up; while :; do sleep 0.05; done', '--stop-timeout', '0')
    await ok('stop', 'box1')
    expect(await stateOf('box1')).toBe('exited 137 false')
  })

  it('gets the signal of kill -s, by name or by number', async () => {
    await start(obedient)
    await ok('kill', '-s', 'HUP', 'box1')
    await said('box1', 'hup')
    expect(await stateOf('box1')).toBe('running 0 true')
    await ok('kill', '-s', '15', 'box1')
    expect(await ok('wait', 'box1')).toBe('7')
    expect((await run('kill', 'box1')).stderr).toMatch(/is not running\n$/)
  })

  it('is refused an unknown signal, and goes on', async () => {
    await start(obedient)
    expect((await run('kill', '-s', 'NOPE', 'box1')).stderr).toContain('Invalid signal: NOPE')
    expect(await stateOf('box1')).toBe('running 0 true')
  })

  it('restarts with the same id and a new process', async () => {
    await start(obedient)
    const facts = () => ok('inspect', '-f', '{{.Id}} {{.State.Pid}}', 'box1')
    const [id, pid] = (await facts()).split(' ')
    expect(await ok('restart', 'box1')).toBe('box1')
    const [idAfter, pidAfter] = (await facts()).split(' ')
    expect(idAfter).toBe(id)
    expect(pidAfter).not.toBe(pid)
    expect(await stateOf('box1')).toBe('running 0 true')
  })

  it('keeps what it has written over a restart', async () => {
    await ok('run', '--name', 'box1', 'box', 'sh', '-c', 'echo x >> /log; wc -l < /log')
    expect((await run('start', '-a', 'box1')).stdout).toBe('2\n')
  })

  it('is not removed while it runs, but with -f', async () => {
    await start(obedient)
    const refused = await run('rm', 'box1')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('container is running')])
    expect(await stateOf('box1')).toBe('running 0 true')
    expect(await ok('rm', '-f', 'box1')).toBe('box1')
    expect((await run('inspect', 'box1')).stderr).toMatch(/[Nn]o such (object|container): box1/)
  })

  it('removed with -v takes its anonymous volumes along and leaves the named ones', async () => {
    await ok('create', '--name', 'box1', '-v', '/anonymous', '-v', 'named:/named', 'box', 'true')
    expect((await ok('volume', 'ls', '-q')).split('\n')).toHaveLength(2)
    await ok('rm', '-v', 'box1')
    expect(await ok('volume', 'ls', '-q')).toBe('named')
    await ok('volume', 'rm', 'named')
  })

  it('with --rm is gone when it has ended', async () => {
    expect((await run('run', '--rm', '--name', 'box1', 'box', 'true')).code).toBe(0)
    expect(await ok('ps', '-aq')).toBe('')
  })

  it('is renamed while it runs, to a name that is free', async () => {
    await start(obedient)
    await ok('create', '--name', 'taken', 'box', 'true')
    expect((await run('rename', 'box1', 'taken')).stderr).toContain(
      'The container name "/taken" is already in use',
    )
    expect((await run('rename', 'box1', 'box1')).stderr).toContain('the same name as its current name')
    expect((await run('rename', 'box1', 'bad name')).stderr).toContain('Invalid container name (bad name)')
    await ok('rename', 'box1', 'other')
    expect(await ok('inspect', '-f', '{{.Name}}', 'other')).toBe('/other')
    expect((await run('inspect', 'box1')).code).toBe(1)
  })

  it('is attached to, and hands over what it says and how it ends', async () => {
    await start(`${obedient.replace('sleep 0.02', '[ -e /go ] && { echo gone; exit 3; }; sleep 0.02')}`)
    const attached = run('attach', 'box1')
    const raised = client.inside('box1', 'sleep 0.3; touch /go')
    const { code, stdout } = await attached
    await raised
    expect([code, stdout]).toEqual([3, 'gone\n'])
  })

  it('is listed while it runs, with -a always, and as the filters say', async () => {
    await start(obedient, '--label', 'kind=web')
    await ok('create', '--name', 'idle', 'box', 'true')
    const names = (...args: string[]): Promise<string> => ok('ps', '--format', '{{.Names}}', ...args)
    expect(await names()).toBe('box1')
    expect(await names('-a')).toBe('idle\nbox1')
    expect(await names('-n', '1')).toBe('idle')
    expect(await names('-a', '--filter', 'status=created')).toBe('idle')
    expect(await names('-a', '--filter', 'label=kind=web')).toBe('box1')
    expect(await names('-a', '--filter', 'name=id')).toBe('idle')
    expect(await names('-a', '--filter', 'ancestor=box')).toBe('idle\nbox1')
    expect(await names('-a', '--filter', 'label=none')).toBe('')
    expect(await ok('ps', '--format', '{{.Image}}|{{.State}}|{{.Networks}}|{{.Labels}}')).toBe(
      'box|running|bridge|kind=web',
    )
    expect(await ok('ps', '--no-trunc', '--format', '{{.Command}}')).toContain('trap')
  })

  it('is listed as Docker lays its columns out', async () => {
    expect((await run('run', '--name', 'box1', 'box', 'sh', '-c', 'exit 3')).code).toBe(3)
    const [head, row] = (await run('ps', '-a')).stdout.split('\n')
    expect(head).toMatch(/^CONTAINER ID {3}IMAGE {5}COMMAND +CREATED +STATUS +PORTS {5}NAMES$/)
    expect(row).toMatch(/^[0-9a-f]{12} {3}box +"sh -c 'exit 3'" +.* ago +Exited \(3\) .* ago +box1$/)
  })

  it('that there is not is refused by name, whatever is asked of it', async () => {
    for (const command of ['start', 'stop', 'kill', 'restart', 'rm', 'wait', 'attach', 'logs']) {
      const { code, stderr } = await run(command, 'nope')
      expect([command, code]).toEqual([command, 1])
      expect(stderr).toContain('No such container: nope')
    }
    expect((await run('rename', 'nope', 'x')).stderr).toContain('No such container: nope')
  })

  it('that cannot start says why, keeps its record, and starts once the reason is gone', async () => {
    await ok('create', '--name', 'box1', 'box', '/late')
    expect((await run('start', 'box1')).stderr).toContain(
      'exec: "/late": stat /late: no such file or directory',
    )
    expect(await ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}', 'box1')).toBe(
      'created 127 exec: "/late": stat /late: no such file or directory',
    )
    expect(await ok('ps', '-aq')).not.toBe('')
    await ok('rm', 'box1')
  })
})

describe('inspect', () => {
  it('tells the defaults and what was asked for in Docker’s fields', async () => {
    await client.wait(
      'full',
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '-e',
      'A=1',
      '-l',
      'k=v',
      '-w',
      '/tmp',
      '-u',
      'web',
    )
    const { Config, HostConfig, State, Name, Path, Args, RestartCount } = await client.inspect(
      'container',
      'full',
    )
    expect({ Name, Path, Args, RestartCount }).toEqual({
      Name: '/full',
      Path: 'sleep',
      Args: ['600'],
      RestartCount: 0,
    })
    expect(Config).toMatchObject({
      Cmd: ['sleep', '600'],
      Env: ['A=1'],
      Image: 'box',
      Labels: { k: 'v' },
      Tty: false,
      User: 'web',
      WorkingDir: '/tmp',
    })
    expect(HostConfig).toMatchObject({
      Memory: 64 << 20,
      NanoCpus: 500_000_000,
      NetworkMode: 'bridge',
      AutoRemove: false,
      ReadonlyRootfs: false,
      ShmSize: 64 << 20,
    })
    expect(State).toMatchObject({
      Status: 'running',
      Running: true,
      Paused: false,
      OOMKilled: false,
      ExitCode: 0,
    })
    expect(State.Pid).toBeGreaterThan(1)
  })

  it('of what is neither container, image, network nor volume says so', async () => {
    expect(await client.refusal('inspect', 'nothing')).toContain('No such object: nothing')
  })
})

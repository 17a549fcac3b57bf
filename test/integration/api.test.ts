/** The API as SDKs use it: dockerode, which is written for Docker, against a live daemon. */
import { type Duplex, PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import Docker from 'dockerode'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const { clear } = new TestClient(daemon)
const docker = new Docker({ socketPath: daemon.socket })

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(clear)
afterAll(() => daemon.stop())

/** Everything that a stream says until it ends. */
async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.toString()
  return text
}

/** Both outputs of a multiplexed stream. */
async function outputsOf(stream: Duplex): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  docker.modem.demuxStream(stream, stdout, stderr)
  stream.on('end', () => {
    stdout.end()
    stderr.end()
  })
  const [out, error] = await Promise.all([textOf(stdout), textOf(stderr)])
  return { stdout: out, stderr: error }
}

const sh = (script: string) => ({ Image: 'box', Cmd: ['sh', '-c', script] })

describe('an SDK', () => {
  it('learns of the daemon', async () => {
    expect((await docker.ping()).toString()).toBe('OK')
    expect(await docker.version()).toMatchObject({ ApiVersion: '1.50', MinAPIVersion: '1.24', Os: 'linux' })
    expect(await docker.info()).toMatchObject({ Containers: 0, Images: 1, DockerRootDir: daemon.dataRoot })
  })

  it('runs a container through all of its life', async () => {
    const container = await docker.createContainer({ ...sh('echo out; echo err >&2; exit 3'), name: 'life' })
    expect((await container.inspect()).State).toMatchObject({ Status: 'created', Running: false })
    const waiting = container.wait({ condition: 'next-exit' })
    await container.start()
    expect(await waiting).toEqual({ StatusCode: 3 })
    expect((await container.inspect()).State).toMatchObject({ Status: 'exited', ExitCode: 3, Pid: 0 })
    const logs = await container.logs({ stdout: true, stderr: true, follow: true })
    expect(await outputsOf(logs as unknown as Duplex)).toEqual({ stdout: 'out\n', stderr: 'err\n' })
    const [listed] = await docker.listContainers({ all: true, filters: { name: ['^/life$'] } })
    expect(listed).toMatchObject({ Names: ['/life'], State: 'exited', Image: 'box' })
    expect(listed?.Status).toMatch(/^Exited \(3\) /)
    await container.remove()
    await expect(container.inspect()).rejects.toMatchObject({
      statusCode: 404,
      json: { message: `No such container: ${container.id}` },
    })
  })

  it('attaches before the start, and misses nothing that comes after', async () => {
    const container = await docker.createContainer({
      ...sh('echo one; echo two >&2; read line; echo "got $line"'),
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
    })
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    })
    const outputs = outputsOf(stream as unknown as Duplex)
    await container.start()
    stream.write('a line\n')
    expect(await outputs).toEqual({ stdout: 'one\ngot a line\n', stderr: 'two\n' })
  })

  it('ends the input of a program by closing its side, and still reads the output', async () => {
    const container = await docker.createContainer({
      ...sh('cat; echo end'),
      OpenStdin: true,
      StdinOnce: true,
    })
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true })
    await container.start()
    stream.end('all of it\n')
    expect(await outputsOf(stream as unknown as Duplex)).toEqual({ stdout: 'all of it\nend\n', stderr: '' })
  })

  it('passes a megabyte in and out unchanged', async () => {
    const container = await docker.createContainer({ ...sh('cat'), OpenStdin: true, StdinOnce: true })
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true })
    await container.start()
    const line = `${'0123456789abcdef'.repeat(64)}\n`
    stream.end(line.repeat(1024))
    const { stdout } = await outputsOf(stream as unknown as Duplex)
    expect(stdout === line.repeat(1024)).toBe(true)
  })

  it('has a terminal of the size it says', async () => {
    const container = await docker.createContainer({ ...sh('read x; stty size'), OpenStdin: true, Tty: true })
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true })
    await container.start()
    await container.resize({ h: 33, w: 77 })
    stream.write('\n')
    expect(await textOf(stream)).toContain('33 77')
  })

  it('runs programs in a running container', async () => {
    const container = await docker.createContainer({
      Image: 'box',
      Cmd: ['sleep', '600'],
      Env: ['A=container'],
    })
    await container.start()
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'echo "$A $B"; pwd; cat; exit 5'],
      Env: ['B=exec'],
      WorkingDir: '/tmp',
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    })
    const stream = await exec.start({ hijack: true, stdin: true })
    stream.end('typed\n')
    expect(await outputsOf(stream)).toEqual({ stdout: 'container exec\n/tmp\ntyped\n', stderr: '' })
    expect(await exec.inspect()).toMatchObject({ Running: false, ExitCode: 5, ContainerID: container.id })
  })

  it('is told why a program cannot be run, and its exit code', async () => {
    const container = await docker.createContainer({ Image: 'box', Cmd: ['sleep', '600'] })
    await container.start()
    const exec = await container.exec({ Cmd: ['no-such-program'], AttachStdout: true, AttachStderr: true })
    const { stderr } = await outputsOf(await exec.start({ hijack: true }))
    expect(stderr).toContain('no-such-program')
    expect((await exec.inspect()).ExitCode).toBe(127)
  })

  it('follows a log until the container ends', async () => {
    const container = await docker.createContainer(sh('for i in 1 2 3; do echo $i; sleep 0.1; done'))
    await container.start()
    const logs = await container.logs({ stdout: true, follow: true, tail: 10 })
    expect((await outputsOf(logs as unknown as Duplex)).stdout).toBe('1\n2\n3\n')
  })

  it('hears of what happens', async () => {
    const events = await docker.getEvents({ filters: { type: ['container'] } })
    const heard: { Action: string; Actor: { ID: string } }[] = []
    events.on('data', (data: Buffer) => {
      for (const line of data.toString().split('\n').filter(Boolean)) heard.push(JSON.parse(line))
    })
    const container = await docker.createContainer(sh('true'))
    const waiting = container.wait({ condition: 'next-exit' })
    await container.start()
    await waiting
    await container.remove()
    for (let waited = 0; !heard.some(({ Action }) => Action === 'destroy'); waited++) {
      expect(waited).toBeLessThan(100)
      await sleep(20)
    }
    const actions = heard.filter(({ Actor }) => Actor.ID === container.id).map(({ Action }) => Action)
    expect(actions).toEqual(expect.arrayContaining(['create', 'start', 'die', 'destroy']))
    expect(actions.indexOf('create')).toBeLessThan(actions.indexOf('start'))
    expect(actions.indexOf('start')).toBeLessThan(actions.indexOf('die'))
    ;(events as unknown as Duplex).destroy()
  })

  it('makes a copy of a container from what inspect says', async () => {
    const container = await docker.createContainer({
      ...sh('sleep 600'),
      Labels: { role: 'original' },
      Env: ['A=1'],
      ExposedPorts: { '80/tcp': {} },
      HostConfig: {
        Binds: ['/tmp:/host-tmp:ro'],
        Memory: 64 << 20,
        CapAdd: ['NET_ADMIN'],
        Tmpfs: { '/scratch': 'size=1m' },
        PortBindings: { '80/tcp': [{ HostPort: '8081' }] },
        Ulimits: [{ Name: 'nofile', Soft: 64, Hard: 128 }],
      },
    })
    const original = await container.inspect()
    await container.remove()
    const copy = await docker.createContainer({
      ...original.Config,
      Hostname: '',
      HostConfig: original.HostConfig,
    } as Docker.ContainerCreateOptions)
    const { Config, HostConfig } = await copy.inspect()
    expect(HostConfig).toEqual(original.HostConfig)
    expect({ ...Config, Hostname: '' }).toEqual({ ...original.Config, Hostname: '' })
  })

  it('keeps networks and volumes', async () => {
    const network = await docker.createNetwork({
      Name: 'net',
      IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] },
    } as never)
    await docker.createVolume({ Name: 'data' })
    const container = await docker.createContainer({
      ...sh('echo kept > /data/file; sleep 600'),
      name: 'user',
      HostConfig: { NetworkMode: 'net', Mounts: [{ Type: 'volume', Source: 'data', Target: '/data' }] },
    })
    await container.start()
    const { NetworkSettings, Mounts } = await container.inspect()
    expect(NetworkSettings.Networks['net']?.IPAddress).toMatch(/^10\.77\.0\.\d+$/)
    expect(Mounts).toMatchObject([{ Type: 'volume', Name: 'data', Destination: '/data', RW: true }])
    expect((await network.inspect()).Containers).toHaveProperty(container.id)
    await expect(network.remove()).rejects.toMatchObject({ statusCode: 403 })
    await expect(docker.getVolume('data').remove()).rejects.toMatchObject({ statusCode: 409 })
    await container.remove({ force: true })
    await network.remove()
    expect((await docker.listVolumes()).Volumes).toMatchObject([{ Name: 'data', Driver: 'local' }])
    await docker.getVolume('data').remove()
  })

  it('moves images by archives', async () => {
    const archive = await docker.getImage('box').get()
    const before = await docker.getImage('box').inspect()
    await docker.getImage('box').tag({ repo: 'other', tag: 'v1' })
    expect((await docker.getImage('other:v1').inspect()).Id).toBe(before.Id)
    await docker.getImage('other:v1').remove()
    expect(await textOf(await docker.loadImage(archive))).toContain('Loaded image: box:latest')
    expect((await docker.getImage('box').inspect()).Id).toBe(before.Id)
    expect(await docker.getImage('box').history()).toHaveLength(1)
  })
})

describe('many clients at once', () => {
  it('each get their own container', async () => {
    const run = async (word: string): Promise<string> => {
      const container = await docker.createContainer(sh(`echo ${word}`))
      const stream = await container.attach({ stream: true, stdout: true, hijack: true })
      const outputs = outputsOf(stream as unknown as Duplex)
      await container.start()
      const { stdout } = await outputs
      await container.remove({ force: true })
      return stdout
    }
    const words = Array.from({ length: 20 }, (_, index) => `word-${index}`)
    expect(await Promise.all(words.map(run))).toEqual(words.map((word) => `${word}\n`))
  })

  it('of one name: one wins, the others are told who has it', async () => {
    const attempts = Array.from({ length: 8 }, () =>
      docker.createContainer({ ...sh('true'), name: 'wanted' }),
    )
    const outcomes = await Promise.allSettled(attempts)
    const won = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(won).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ statusCode: 409 })
    }
  })
})

describe('a client that disappears', () => {
  it('while attached leaves the container running, and its place to others', async () => {
    const container = await docker.createContainer(sh('while true; do echo tick; sleep 0.05; done'))
    await container.start()
    for (let client = 0; client < 5; client++) {
      const stream = (await container.attach({
        stream: true,
        stdout: true,
        hijack: true,
      })) as unknown as Duplex
      await new Promise((resolve) => stream.once('data', resolve))
      stream.destroy()
    }
    expect((await container.inspect()).State.Running).toBe(true)
  })

  it('while waiting is forgotten', async () => {
    const container = await docker.createContainer(sh('sleep 600'))
    await container.start()
    const abort = new AbortController()
    const waiting = container.wait({ abortSignal: abort.signal } as never)
    await sleep(50)
    abort.abort()
    await expect(waiting).rejects.toThrow()
    await container.stop({ t: 0 })
    expect((await container.inspect()).State.Running).toBe(false)
  })
})

describe('the docker command', () => {
  it('asks with the newest version, or the one it is told', async () => {
    const version = async (env: Record<string, string>): Promise<string> =>
      (
        await daemon.dockerWith(
          { env },
          'version',
          '--format',
          '{{.Client.APIVersion}} {{.Server.APIVersion}}',
        )
      ).stdout
    expect(await version({ DOCKER_API_VERSION: '1.24' })).toBe('1.24 1.50\n')
    const { code, stderr } = await daemon.dockerWith({ env: { DOCKER_API_VERSION: '1.23' } }, 'ps')
    expect(code).not.toBe(0)
    expect(stderr).toContain('client version 1.23 is too old. Minimum supported API version is 1.24')
  })

  it('is told of an option that is not carried out, by name', async () => {
    const { code, stderr } = await daemon.docker('run', '--privileged', 'box', 'true')
    expect(code).toBe(125)
    expect(stderr).toContain('HostConfig.Privileged is not supported: give single capabilities with CapAdd')
  })
})

it('create, start and the end of a container over the API take less than 150 ms of processor time', async () => {
  const once = async (): Promise<void> => {
    const container = await docker.createContainer({
      Image: 'box',
      Cmd: ['true'],
      HostConfig: { NetworkMode: 'none' },
    })
    const waiting = container.wait({ condition: 'next-exit' })
    await container.start()
    await waiting
    await container.remove()
  }
  await once()
  const before = daemon.processorTime()
  for (let round = 0; round < 10; round++) await once()
  // Of which most goes into the init that takes the place of each.
  expect((daemon.processorTime() - before) / 10).toBeLessThan(150)
})

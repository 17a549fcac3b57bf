import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { DyingDaemon } from '../helpers/dying-daemon.ts'

/** Everything of the kernel that a container may leave behind, as text that is equal when nothing was. */
function kernelState(daemon: TestDaemon): Record<string, string> {
  const list = (directory: string): string =>
    existsSync(directory) ? readdirSync(directory).sort().join(' ') : ''
  const cgroups = ['memory', 'pids', 'cpu', 'freezer'].flatMap((tree) =>
    list(join('/sys/fs/cgroup', tree, daemon.mark))
      .split(' ')
      .filter((name) => /^[0-9a-f]{64}$/.test(name)),
  )
  return {
    // A daemon that ends with nothing running takes its bridges away, and makes them again in any order.
    // Those of removed networks are freed in the background, under other names.
    links: (daemon.inNetns('ip', ['-br', 'link']).match(/^(?!gone\d)\S+/gm) ?? []).sort().join(' '),
    // nft complains of what iptables has made and it cannot read
    rules: sortedParts(daemon.inNetns('sh', ['-c', 'nft list ruleset 2>/dev/null'])),
    namespaces: list(join(daemon.execRoot, 'netns')),
    children: list(join(daemon.execRoot, 'children')),
    containers: list(join(daemon.dataRoot, 'containers')),
    cgroups: cgroups.join(' '),
    listening: daemon.inNetns('ss', ['-Hltnu']),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(daemon.root))
      .length.toString(),
  }
}

/** Sets have no order: two equal rule sets may list their elements differently. */
function sortedParts(rules: string): string {
  const parts = rules.replace(/packets \d+ bytes \d+/g, '').split(/[\n,{}]/)
  return parts
    .map((part) => part.replace('elements =', '').trim())
    .sort()
    .join('\n')
}

/** The same for all networks: links and rules have names that are made of their ids. */
function withoutIds(state: Record<string, string>): Record<string, string> {
  const { links = '', rules = '' } = state
  const shorten = (parts: string[]): string[] =>
    parts.map((part) => part.replaceAll(/[0-9a-f]{11,}/g, 'ID')).sort()
  return {
    ...state,
    links: shorten(links.split(' ')).join(' '),
    rules: shorten(rules.split('\n')).join('\n'),
  }
}

describe('a daemon killed in the middle of a change', () => {
  let dying: DyingDaemon
  let daemon: TestDaemon

  beforeAll(async () => {
    dying = await DyingDaemon.start()
    daemon = dying.daemon
    await daemon.docker('network', 'create', 'mynet')
    // a volume that is mounted for its users
    await daemon.docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'data')
  })
  afterAll(() => dying.stop())

  const runWeb = [
    ...['run', '-d', '--name', 'web', '--network', 'mynet', '-p', '8080:80', '-v', 'data:/data'],
    ...['box', 'sleep', '60'],
  ]
  const startWeb = async (): Promise<void> => expect((await daemon.docker(...runWeb)).code).toBe(0)
  const removeWeb = async (): Promise<void> => void (await daemon.docker('rm', '-f', 'web'))
  const nothing = async (): Promise<void> => {}

  it('leaves nothing behind, whichever journal write of a run it died at', async () => {
    const before = kernelState(daemon)
    const kills = await dying.atEachWrite(nothing, [runWeb], async (when) => {
      await removeWeb()
      expect(kernelState(daemon), when).toEqual(before)
    })
    // create, its end, start, eight steps, its end
    expect(kills).toBeGreaterThanOrEqual(10)
  }, 180_000)

  it('leaves nothing behind, whichever journal write of a removal it died at', async () => {
    const before = kernelState(daemon)
    const kills = await dying.atEachWrite(startWeb, [['rm', '-f', 'web']], async (when) => {
      await removeWeb()
      expect(kernelState(daemon), when).toEqual(before)
    })
    expect(kills).toBeGreaterThanOrEqual(2)
  }, 180_000)

  it.each([
    [
      'of ports',
      ['publish', 'rm', 'web', '-p', '80'],
      ['publish', 'add', 'web', '-p', '8081:80', '-p', '53/udp'],
    ],
    ['of networks', ['network', 'connect', 'second', 'web'], ['network', 'disconnect', 'mynet', 'web']],
  ])(
    'is what its records say, whichever journal write of a change %s it died at',
    async (_, ...changes) => {
      await daemon.docker('network', 'create', 'second')
      const before = kernelState(daemon)
      const kills = await dying.atEachWrite(startWeb, changes, async (when) => {
        const { stdout } = await daemon.tsnet('port', 'web')
        const listening = daemon.inNetns('ss', ['-Hltnu'])
        for (const [, port] of stdout.matchAll(/0\.0\.0\.0:(\d+)/g))
          expect(listening, when).toContain(`:${port} `)
        expect(listening.trim() === '', when).toBe(stdout === '')
        const inspected = await daemon.docker('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'web')
        const recorded = Object.values(JSON.parse(inspected.stdout) as Record<string, { IPAddress: string }>)
        const inside = await daemon.docker(
          'exec',
          'web',
          'sh',
          '-c',
          'ip -4 addr show scope global; ip route',
        )
        const present = [...inside.stdout.matchAll(/inet ([0-9.]+)/g)].map(([, address]) => address)
        expect(present.sort(), when).toEqual(recorded.map(({ IPAddress }) => IPAddress).sort())
        expect(inside.stdout.match(/^default/gm), when).toHaveLength(1)
        // nobody else has them
        await removeWeb()
        await expect.poll(() => kernelState(daemon), { message: when }).toEqual(before)
      })
      expect(kills).toBeGreaterThanOrEqual(4)
      await daemon.docker('network', 'rm', 'second')
    },
    180_000,
  )

  it.each([
    ['begins', 1],
    ['has done', 2],
  ])(
    'as it %s to give an interface back that somebody has removed does that after its next start',
    async (_, at) => {
      const nobody = kernelState(daemon)
      await startWeb()
      const address = async (): Promise<string> =>
        (await daemon.docker('exec', 'web', 'ip', '-4', 'addr', 'show', 'eth0')).stdout.match(
          /inet \S+/,
        )?.[0] ?? ''
      const before = await address()
      const { stdout: id } = await daemon.docker('inspect', '-f', '{{.Id}}', 'web')
      const netns = join(daemon.execRoot, 'netns', id.trim())
      await dying.dieAfter(at, () => execFileSync('nsenter', [`--net=${netns}`, 'ip', 'link', 'del', 'eth0']))
      await expect.poll(address, { timeout: 10_000 }).toBe(before)
      await removeWeb()
      await expect.poll(() => kernelState(daemon)).toEqual(nobody)
    },
  )
})

describe('a daemon with iptables killed in the middle of a run', () => {
  it('leaves no chain or rule behind', async () => {
    const dying = await DyingDaemon.start(['--firewall-backend', 'iptables'])
    const { daemon } = dying
    try {
      await daemon.docker('network', 'create', '--ipv6', 'mynet')
      const before = kernelState(daemon)
      const run = ['run', '-d', '--name', 'web', '--network', 'mynet', '-p', '8080:80', 'box', 'sleep', '60']
      const check = async (when: string): Promise<void> => {
        await daemon.docker('rm', '-f', 'web')
        await expect.poll(() => kernelState(daemon), { message: when }).toEqual(before)
      }
      expect(before['rules']).toContain('TSNET')
      expect(await dying.atEachWrite(async () => {}, [run], check, { writes: [6, 9] })).toBe(2)
    } finally {
      await dying.stop()
    }
  }, 180_000)
})

describe('a daemon killed while networks come and go', () => {
  let dying: DyingDaemon
  let daemon: TestDaemon

  beforeAll(async () => {
    dying = await DyingDaemon.start()
    daemon = dying.daemon
    daemon.inNetns('ip', 'link add up0 type veth peer name wire'.split(' '))
    daemon.inNetns('ip', ['link', 'set', 'up0', 'up'])
  })
  afterAll(() => dying.stop())

  const create = (name: string, ...more: string[]): string[] => ['network', 'create', ...more, name]
  const networks = [
    create('plain', '--subnet', '10.70.0.0/24'),
    create('wire', '-d', 'macvlan', '-o', 'parent=up0', '-o', 'host-access=true', '--subnet', '10.71.0.0/24'),
  ]
  const createAll = async (): Promise<void> => {
    for (const network of networks) expect((await daemon.docker(...network)).code).toBe(0)
  }
  const removeAll = async (): Promise<void> => void (await daemon.docker('network', 'rm', 'plain', 'wire'))

  it.each([
    ['made', async () => {}, networks],
    ['removed', createAll, [['network', 'rm', 'wire', 'plain']]],
    ['pruned', createAll, [['network', 'prune', '-f']]],
  ] as const)(
    'has all of those that it records and nothing of others, whichever journal write it died at as they were %s',
    async (_, prepare, changes) => {
      // with none, one, the other, both
      const states = new Map([['', withoutIds(kernelState(daemon))]])
      for (const wanted of [[0], [1], [0, 1]]) {
        for (const index of wanted) await daemon.docker(...networks[index]!)
        const names = wanted.map((index) => networks[index]!.at(-1)).join(' ')
        states.set(names, withoutIds(kernelState(daemon)))
        await removeAll()
      }
      const kills = await dying.atEachWrite(prepare, changes, async (when) => {
        const { stdout } = await daemon.docker(
          'network',
          'ls',
          '--filter',
          'type=custom',
          '--format',
          '{{.Name}}',
        )
        const names = stdout.trim().split('\n').sort().join(' ')
        await expect
          .poll(() => withoutIds(kernelState(daemon)), { message: `${when}: ${names}` })
          .toEqual(states.get(names))
        await removeAll()
        // their subnets are free
        await expect.poll(() => withoutIds(kernelState(daemon)), { message: when }).toEqual(states.get(''))
      })
      expect(kills).toBeGreaterThanOrEqual(4)
    },
    180_000,
  )
})

describe('a daemon killed while a container runs', () => {
  let daemon: TestDaemon

  beforeAll(async () => {
    daemon = await TestDaemon.start()
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  })
  afterAll(() => daemon.stop())

  it('lets the container go on, and takes it up again with log, port, exec and exit code', async () => {
    const script =
      'echo before; mkdir -p /www; echo hello > /www/index.html; httpd -p 80 -h /www; while [ ! -e /stop ]; do sleep 0.1; done; echo after; exit 7'
    expect(
      (await daemon.docker('run', '-d', '--name', 'web', '-p', '8080:80', 'box', 'sh', '-c', script)).code,
    ).toBe(0)
    const page = async (): Promise<string> =>
      (await daemon.exec('busybox', 'wget', '-qO-', 'http://127.0.0.1:8080/')).stdout
    await expect.poll(page, { timeout: 10_000 }).toBe('hello\n')
    await daemon.kill()
    expect(await page()).toBe('hello\n')
    await daemon.launch()
    expect((await daemon.docker('ps', '--format', '{{.Names}} {{.Ports}}')).stdout).toMatch(
      /^web .*0\.0\.0\.0:8080->80\/tcp/,
    )
    expect(await page()).toBe('hello\n')
    expect((await daemon.docker('exec', 'web', 'touch', '/stop')).code).toBe(0)
    expect((await daemon.docker('wait', 'web')).stdout).toBe('7\n')
    expect((await daemon.docker('logs', 'web')).stdout).toBe('before\nafter\n')
    expect((await daemon.docker('rm', 'web')).code).toBe(0)
  })

  it('knows the exit code of a container that ended while no daemon ran', async () => {
    const result = await daemon.docker(
      'run',
      '-d',
      '--name',
      'short',
      'box',
      'sh',
      '-c',
      'echo out; sleep 1; echo end; exit 42',
    )
    expect(result.code).toBe(0)
    await daemon.kill()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await daemon.launch()
    expect(
      (await daemon.docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'short')).stdout,
    ).toBe('exited 42\n')
    expect((await daemon.docker('logs', 'short')).stdout).toBe('out\nend\n')
    expect((await daemon.docker('rm', 'short')).code).toBe(0)
  })

  it('keeps containers, their output and their ends when the supervisor is killed too', async () => {
    const script = 'echo one; while [ ! -e /go ]; do sleep 0.1; done; echo two; sleep 0.3'
    expect((await daemon.docker('run', '-d', '--name', 'kept', 'box', 'sh', '-c', script)).code).toBe(0)
    process.kill(daemon.supervisorPid(), 'SIGKILL')
    // What was under way with the old supervisor fails; what comes after finds the new one.
    await expect
      .poll(async () => (await daemon.docker('exec', 'kept', 'touch', '/go')).code, { timeout: 10_000 })
      .toBe(0)
    expect((await daemon.docker('wait', 'kept')).code).toBe(0)
    expect((await daemon.docker('logs', 'kept')).stdout).toBe('one\ntwo\n')
    expect((await daemon.docker('rm', 'kept')).code).toBe(0)
  })

  it('starts anew when its data root was emptied under a running container', async () => {
    expect((await daemon.docker('run', '-d', 'box', 'sleep', '600')).code).toBe(0)
    await daemon.kill()
    rmSync(daemon.dataRoot, { recursive: true })
    await daemon.launch()
    expect((await daemon.docker('ps', '-aq')).stdout).toBe('')
    expect((await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')).code).toBe(0)
    expect((await daemon.docker('run', '--rm', 'box', 'true')).code).toBe(0)
    expect(daemon.inNetns('ip', ['-o', 'link', 'show', 'type', 'veth'])).toBe('')
  })
})

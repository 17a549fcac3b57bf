import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inside, remove, wait } = client
/** A directory of the host's, for binds. */
const host = mkdtempSync(join(tmpdir(), 'tsnet-volumes-'))

/** The root of `box` with links at which mounts are aimed. */
function trapArchive(): Buffer {
  const root = join(host, 'trap-root')
  mkdirSync(root)
  symlinkSync('/etc', join(root, 'link'))
  symlinkSync('/not/there', join(root, 'dangling'))
  symlinkSync('../../../../../../etc', join(root, 'upward'))
  const archive = join(host, 'trap.tar')
  writeFileSync(archive, busyboxArchive())
  execFileSync('tar', ['-C', root, '-rf', archive, '.'])
  return readFileSync(archive)
}

beforeAll(async () => {
  chmodSync(host, 0o755)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await daemon.dockerWith(
    { input: busyboxArchive() },
    'import',
    '-c',
    'VOLUME /data /var/lib/x',
    '-',
    'voluminous',
  )
  await daemon.dockerWith({ input: trapArchive() }, 'import', '-', 'trap')
})
afterEach(async () => {
  await client.clear()
  const left = await volumes()
  if (left.length > 0) await docker('volume', 'rm', ...left)
})
afterAll(async () => {
  await daemon.stop()
  rmSync(host, { recursive: true, force: true })
})

/** Runs a shell script in a container of its own and returns what it prints. */
const sh = (script: string, ...args: string[]): Promise<string> =>
  docker('run', '--rm', ...args, 'box', 'sh', '-c', script)

const volumes = async (...args: string[]): Promise<string[]> =>
  (await docker('volume', 'ls', '-q', ...args)).split('\n').filter((name) => name !== '')

describe('docker volume', () => {
  it('create, inspect, ls and rm work as with Docker', async () => {
    expect(await docker('volume', 'create', '--label', 'tier=db', 'store')).toBe('store')
    expect(await docker('volume', 'create', 'store')).toBe('store')
    const anonymous = await docker('volume', 'create')
    expect(anonymous).toMatch(/^[0-9a-f]{64}$/)
    const [volume] = JSON.parse(await docker('volume', 'inspect', 'store'))
    expect(volume).toEqual({
      CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      Driver: 'local',
      Labels: { tier: 'db' },
      Mountpoint: join(daemon.dataRoot, 'volumes/store/_data'),
      Name: 'store',
      Options: null,
      Scope: 'local',
    })
    expect(statSync(volume.Mountpoint).mode & 0o777).toBe(0o755)
    expect((await volumes()).sort()).toEqual([anonymous, 'store'].sort())
    expect(await volumes('--filter', 'label=tier=db')).toEqual(['store'])
    expect(await volumes('--filter', 'label=tier=web')).toEqual([])
    expect(await volumes('--filter', 'name=sto')).toEqual(['store'])
    expect(await docker('volume', 'ls', '--format', '{{.Name}}/{{.Driver}}', '--filter', 'name=store')).toBe(
      'store/local',
    )
    expect(await docker('volume', 'rm', 'store', anonymous)).toBe(`store\n${anonymous}`)
    expect(await volumes()).toEqual([])
    expect(existsSync(join(daemon.dataRoot, 'volumes/store'))).toBe(false)
  })

  it('refuses bad names, drivers and options, and what is unknown or in use', async () => {
    expect(await refusal('volume', 'create', 'a/b')).toMatch(/includes invalid characters/)
    expect(await refusal('volume', 'create', '-d', 'nothing', 'vol')).toContain('nothing')
    expect(await refusal('volume', 'create', '-o', 'colour=red', 'vol')).toContain('colour')
    // Older clients have words of their own for it.
    const unknown = /get nowhere: no such volume|No such volume: nowhere/
    expect(await refusal('volume', 'rm', 'nowhere')).toMatch(unknown)
    expect(await refusal('volume', 'inspect', 'nowhere')).toMatch(unknown)
    expect(await docker('volume', 'rm', '-f', 'nowhere')).toBe('nowhere')
    const id = await wait('user', '-v', 'used:/data')
    expect(await refusal('volume', 'rm', 'used')).toContain(`remove used: volume is in use - [${id}]`)
    expect(await volumes('--filter', 'dangling=true')).toEqual([])
    await docker('stop', '-t', '0', 'user')
    expect(await refusal('volume', 'rm', '-f', 'used')).toContain('volume is in use')
    await remove('user')
    expect(await volumes('--filter', 'dangling=true')).toEqual(['used'])
    await docker('volume', 'rm', 'used')
  })
})

describe('a named volume', () => {
  it('is made when it is missing, and keeps its data for the next container', async () => {
    await sh('echo kept > /v/file', '-v', 'data:/v')
    expect(await volumes()).toEqual(['data'])
    expect(await sh('cat /other/file', '-v', 'data:/other')).toBe('kept')
    const [{ Mounts, HostConfig }] = JSON.parse(
      await docker('inspect', await docker('create', '-v', 'data:/v:ro', 'box', 'true')),
    )
    expect(HostConfig.Binds).toEqual(['data:/v:ro'])
    expect(Mounts).toEqual([
      {
        Type: 'volume',
        Name: 'data',
        Source: join(daemon.dataRoot, 'volumes/data/_data'),
        Destination: '/v',
        Driver: 'local',
        Mode: 'ro',
        RW: false,
        Propagation: '',
      },
    ])
    await client.clear()
    await docker('volume', 'rm', 'data')
  })

  it('takes over what the image has there, with owners and modes, when it is empty', async () => {
    expect(
      await sh(
        'cat /data/seed; stat -c %u:%g /data/seed; stat -c %a /tmp',
        '-v',
        'fresh:/data',
        '-v',
        'temp:/tmp',
      ),
    ).toBe('from-image\n1000:1000\n1777')
    await sh('rm /data/seed; echo mine > /data/own', '-v', 'fresh:/data')
    expect(await sh('ls /data', '-v', 'fresh:/data')).toBe('own')
    await docker('volume', 'rm', 'fresh', 'temp')
  })

  it('takes it over for read-only containers too, and not at all with nocopy', async () => {
    expect(await sh('cat /data/seed; touch /data/x 2>&1 || true', '-v', 'fresh:/data:ro')).toMatch(
      /^from-image\n.*Read-only/,
    )
    expect(await sh('ls /data', '-v', 'empty:/data:nocopy')).toBe('')
    expect(await sh('ls /data', '--mount', 'type=volume,src=bare,dst=/data,volume-nocopy')).toBe('')
    await docker('volume', 'rm', 'fresh', 'empty', 'bare')
  })
})

describe('an anonymous volume', () => {
  it('goes with its container if that is removed with -v or was run with --rm', async () => {
    await sh('touch /v/x', '-v', '/v')
    expect(await volumes()).toEqual([])
    await docker('run', '--name', 'keeper', '-v', '/v', 'box', 'true')
    const [name = ''] = await volumes()
    expect(name).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.parse(await docker('volume', 'inspect', name))[0].Labels).toEqual({
      'com.docker.volume.anonymous': '',
    })
    await docker('rm', 'keeper')
    expect(await volumes()).toEqual([name])
    await docker('volume', 'rm', name)
    await docker('run', '--name', 'goer', '-v', '/v', '-v', 'named:/n', 'box', 'true')
    await docker('rm', '-v', 'goer')
    expect(await volumes()).toEqual(['named'])
    await docker('volume', 'rm', 'named')
  })

  it('is what an image declares, unless something else is mounted there', async () => {
    await docker('run', '-d', '--name', 'decl', 'voluminous', 'sleep', '600')
    expect(
      await inside('decl', 'cat /data/seed; grep -c " /data \\| /var/lib/x " /proc/self/mountinfo'),
    ).toBe('from-image\n2')
    expect(await volumes()).toHaveLength(2)
    await remove('decl')
    await docker(
      'run',
      '--name',
      'over',
      '-v',
      `${host}:/data:ro`,
      '--tmpfs',
      '/var/lib/x',
      'voluminous',
      'true',
    )
    expect(await volumes()).toEqual([])
  })
})

describe('a bind', () => {
  it('shows a directory or a file of the host', async () => {
    const directory = join(host, 'plain')
    mkdirSync(directory)
    writeFileSync(join(directory, 'file'), 'host\n')
    expect(await sh('cat /b/file; echo inside > /b/new', '-v', `${directory}:/b`)).toBe('host')
    expect(readFileSync(join(directory, 'new'), 'utf8')).toBe('inside\n')
    expect(
      await sh('cat /etc/own.conf; echo more >> /etc/own.conf', '-v', `${directory}/file:/etc/own.conf`),
    ).toBe('host')
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('host\nmore\n')
    const ro = await sh('touch /b/x 2>&1 || true; umount /b 2>&1 || true', '-v', `${directory}:/b:ro`)
    expect(ro).toContain('Read-only file system')
    expect(ro).toMatch(/umount.*(not permitted|must be superuser)/i)
  })

  it('makes a missing source with -v, and is refused with --mount', async () => {
    const missing = join(host, 'made/by/v')
    await sh('touch /b/x', '-v', `${missing}:/b`)
    expect(existsSync(join(missing, 'x'))).toBe(true)
    const absent = join(host, 'absent')
    expect(
      await refusal('create', '--name', 'never', '--mount', `type=bind,src=${absent},dst=/b`, 'box', 'true'),
    ).toContain(`invalid mount config for type "bind": bind source path does not exist: ${absent}`)
    expect(await docker('ps', '-aq')).toBe('')
    expect(existsSync(absent)).toBe(false)
    const Mounts = [{ Type: 'bind', Source: absent, Target: '/b', BindOptions: { CreateMountpoint: true } }]
    await daemon.api('POST', '/containers/create?name=maker', {
      Image: 'box',
      Cmd: ['true'],
      HostConfig: { Mounts },
    })
    await docker('start', '-a', 'maker')
    expect(existsSync(absent)).toBe(true)
  })

  it('of a file on a directory, or the other way round, is refused in Docker’s words', async () => {
    const file = join(host, 'a-file')
    writeFileSync(file, '')
    expect(await refusal('run', '--rm', '-v', `${file}:/data`, 'box', 'true')).toContain(
      're you trying to mount a directory onto a file (or vice-versa)?',
    )
    expect(await refusal('run', '--rm', '-v', `${host}:/etc/passwd`, 'box', 'true')).toContain(
      're you trying to mount a directory onto a file (or vice-versa)?',
    )
  })

  it('over one of the files that tsnet writes wins', async () => {
    const file = join(host, 'own-hosts')
    writeFileSync(file, '192.0.2.1 mine\n')
    expect(await sh('cat /etc/hosts', '-v', `${file}:/etc/hosts`)).toBe('192.0.2.1 mine')
  })
})

describe('mount targets', () => {
  it('may lie in each other, in whatever order they are given', async () => {
    const outer = join(host, 'outer')
    const inner = join(host, 'inner')
    mkdirSync(outer)
    mkdirSync(inner)
    writeFileSync(join(inner, 'deep'), 'deep\n')
    const args = ['-v', `${inner}:/a/b/c`, '--tmpfs', '/a/b', '-v', `${outer}:/a`]
    const script =
      'cat /a/b/c/deep; for d in /a /a/b /a/b/c; do stat -f -c %T $d > /dev/null && grep -q " $d " /proc/self/mountinfo && echo $d; done; touch /a/b/gone'
    expect(await sh(script, ...args)).toBe('deep\n/a\n/a/b\n/a/b/c')
    expect(await sh(script, ...args.slice(4), ...args.slice(0, 4))).toBe('deep\n/a\n/a/b\n/a/b/c')
    expect(existsSync(join(outer, 'b/gone'))).toBe(false)
  })

  it('that are links of the image stay inside the container', async () => {
    const directory = join(host, 'linked')
    mkdirSync(directory)
    writeFileSync(join(directory, 'passwd'), 'from the bind\n')
    const before = readFileSync('/etc/passwd', 'utf8')
    const cat = (target: string, path: string): Promise<string> =>
      docker('run', '--rm', '-v', `${directory}:${target}`, 'trap', 'cat', path)
    expect(await cat('/link', '/etc/passwd')).toBe('from the bind')
    expect(await cat('/upward', '/etc/passwd')).toBe('from the bind')
    expect(await cat('/dangling', '/not/there/passwd')).toBe('from the bind')
    expect(await cat('/link/sub', '/etc/sub/passwd')).toBe('from the bind')
    expect(
      await docker('run', '--rm', '-v', `${directory}/passwd:/dangling`, 'trap', 'cat', '/not/there'),
    ).toBe('from the bind')
    expect(existsSync('/not/there')).toBe(false)
    expect(existsSync('/etc/sub')).toBe(false)
    expect(readFileSync('/etc/passwd', 'utf8')).toBe(before)
  })

  it('must be absolute, not the root, and given once', async () => {
    expect(await refusal('run', '--rm', '-v', `${host}:rel`, 'box', 'true')).toContain(
      'mount path must be absolute',
    )
    expect(await refusal('run', '--rm', '-v', `${host}:/`, 'box', 'true')).toContain(
      "destination can't be '/'",
    )
    expect(await refusal('run', '--rm', '-v', 'aa:/v', '-v', 'bb:/v', 'box', 'true')).toContain(
      'Duplicate mount point: /v',
    )
    expect(await refusal('run', '--rm', '-v', `${host}:/v:wrong`, 'box', 'true')).toContain(
      'invalid mode: wrong',
    )
    expect(await volumes()).toEqual([])
  })
})

describe('--mount', () => {
  it('takes binds with propagation, volumes with labels, and tmpfs with size and mode', async () => {
    expect(
      await sh(
        'grep -c "size=1024k" /proc/mounts; stat -c %a /t; df -k /t | tail -1 | awk "{print \\$2}"; touch /b/x 2>&1 || true',
        ...['--mount', 'type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770'],
        ...['--mount', `type=bind,src=${host},dst=/b,readonly,bind-propagation=private`],
        ...['--mount', 'type=volume,src=lab,dst=/v,volume-label=x=y'],
      ),
    ).toMatch(/^1\n1770\n1024\n.*Read-only file system$/)
    expect(JSON.parse(await docker('volume', 'inspect', 'lab'))[0].Labels).toEqual({ x: 'y' })
    await docker('volume', 'rm', 'lab')
    expect(
      await refusal('run', '--rm', '--mount', 'type=volume,dst=/v,bind-propagation=rslave', 'box', 'true'),
    ).toContain('bind-propagation')
    expect(await refusal('run', '--rm', '--mount', 'type=tmpfs,src=x,dst=/v', 'box', 'true')).toContain(
      'Source must not be specified',
    )
  })

  it('of a tmpfs leaves nothing, and is nosuid, nodev and noexec', async () => {
    expect(await sh('grep " /t " /proc/mounts', '--tmpfs', '/t:size=64k')).toMatch(
      /nosuid,nodev,noexec.*size=64k/,
    )
    expect(await sh('cp /bin/busybox /t/ls && /t/ls /t', '--tmpfs', '/t:exec')).toBe('ls')
  })
})

describe('volumes through tsnet', () => {
  it('are created, used, listed, inspected and removed', async () => {
    expect(await tsnet('volume', 'create', '--label', 'a=b', 'ours')).toBe('ours')
    await tsnet(
      'run',
      '--rm',
      '-v',
      'ours:/v',
      '--mount',
      `type=bind,src=${host},dst=/b`,
      'box',
      'sh',
      '-c',
      'echo x > /v/y',
    )
    expect(await tsnet('run', '--rm', '-v', 'ours:/v:ro', 'box', 'cat', '/v/y')).toBe('x')
    expect(await tsnet('volume', 'ls', '-q', '--filter', 'label=a')).toBe('ours')
    expect(JSON.parse(await tsnet('volume', 'inspect', 'ours'))[0].Name).toBe('ours')
    expect(await tsnet('volume', 'rm', 'ours')).toBe('ours')
    expect((await daemon.tsnet('volume', 'rm', 'ours')).stderr).toContain('get ours: no such volume')
  })
})

describe('data without a record', () => {
  it('is nobody’s to overwrite, and a volume from the next start on', async () => {
    const place = join(daemon.dataRoot, 'volumes', 'stray', '_data')
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, 'kept'), 'kept')
    expect(await refusal('volume', 'create', 'stray')).toContain(
      'create stray: there is data under this name that belongs to no volume',
    )
    expect(readFileSync(join(place, 'kept'), 'utf8')).toBe('kept')
    await daemon.terminate()
    await daemon.launch()
    expect(await volumes()).toContain('stray')
    expect(await docker('run', '--rm', '-v', 'stray:/s', 'box', 'cat', '/s/kept')).toBe('kept')
  })
})

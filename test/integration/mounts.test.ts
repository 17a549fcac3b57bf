/** Mounts of every form through both clients: what is asked for, what inspect tells, and what a container sees. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inside, inspect, wait } = client
const host = mkdtempSync(join(tmpdir(), 'tsnet-mounts-'))

/** A root with nothing but a few files. */
function toolsArchive(): Buffer {
  const root = join(host, 'tools-root')
  mkdirSync(join(root, 'share/doc'), { recursive: true })
  writeFileSync(join(root, 'version'), 'seven\n')
  writeFileSync(join(root, 'share/doc/readme'), 'read me\n')
  return execFileSync('tar', ['-C', root, '-cf', '-', '.'])
}

beforeAll(async () => {
  chmodSync(host, 0o755)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await daemon.dockerWith(
    { input: busyboxArchive() },
    'import',
    '-c',
    'VOLUME /data /image',
    '-',
    'voluminous',
  )
  await daemon.dockerWith({ input: toolsArchive() }, 'import', '-', 'tools:7')
})
afterEach(async () => {
  await client.clear()
  await tsnet('volume', 'prune', '--all', '--force', '--now')
})
afterAll(async () => {
  await daemon.stop()
  rmSync(host, { recursive: true, force: true })
})

function directory(name: string): string {
  const path = join(host, name)
  mkdirSync(path)
  return path
}

const volumes = async (): Promise<string[]> =>
  (await docker('volume', 'ls', '-q')).split('\n').filter((name) => name !== '')

/** Runs a shell script in a container of its own and returns what it prints. */
const sh = (script: string, ...args: string[]): Promise<string> =>
  tsnet('run', '--rm', ...args, 'box', 'sh', '-c', script)

/** The mounts that inspect tells, by target, without the random names. */
async function mountsOf(container: string): Promise<Record<string, object>> {
  const { Mounts } = await inspect('container', container)
  return Object.fromEntries(
    Mounts.map(({ Destination, Name, Source, ...rest }) => {
      const isAnonymous = /^[0-9a-f]{64}$/.test(Name ?? '')
      return [Destination, isAnonymous ? rest : { ...rest, ...(Name !== undefined && { Name }), Source }]
    }),
  )
}

describe('inspect', () => {
  it('tells mounts in the words in which they were asked for, and where they ended up', async () => {
    const bound = directory('bound')
    const args = [
      ...['-v', `${bound}/../bound/:/b/../c/:Z,ro`, '-v', 'data:/data', '-v', 'plain:/plain:rw'],
      ...['-v', '/anon', '--tmpfs', '/t/:size=1m', '--volume-driver', 'local'],
      ...['--mount', 'type=volume,src=named,dst=/n/,ro', '--mount', 'type=tmpfs,dst=/u,tmpfs-size=1m'],
      ...['--mount', `type=bind,src=${bound},dst=/r,readonly,bind-recursive=writable,consistency=cached`],
      ...['--mount', 'type=image,src=tools:7,dst=/tools,image-subpath=share'],
    ]
    await tsnet('create', '--name', 'told', ...args, 'voluminous', 'true')
    const { HostConfig, Config } = await inspect('container', 'told')
    expect([...(HostConfig.Binds ?? [])].sort()).toEqual(
      [`${bound}/../bound/:/b/../c/:Z,ro`, 'data:/data', 'plain:/plain:rw'].sort(),
    )
    expect(HostConfig).toMatchObject({
      Tmpfs: { '/t/': 'size=1m' },
      VolumeDriver: 'local',
      VolumesFrom: null,
      Mounts: [
        { Type: 'volume', Source: 'named', Target: '/n/', ReadOnly: true },
        { Type: 'tmpfs', Target: '/u', TmpfsOptions: { SizeBytes: 1 << 20 } },
        {
          Type: 'bind',
          Source: bound,
          Target: '/r',
          ReadOnly: true,
          Consistency: 'cached',
          BindOptions: { ReadOnlyNonRecursive: true },
        },
        { Type: 'image', Source: 'tools:7', Target: '/tools', ImageOptions: { Subpath: 'share' } },
      ],
    })
    expect(Config.Volumes).toEqual({ '/anon': {}, '/data': {}, '/image': {} })
    const volume = (Name: string, Mode: string, RW: boolean) => {
      const Source = join(daemon.dataRoot, 'volumes', Name, '_data')
      return { Type: 'volume', Name, Source, Driver: 'local', Mode, RW, Propagation: '' }
    }
    const anonymous = { Type: 'volume', Driver: 'local', Mode: '', RW: true, Propagation: '' }
    const { Id } = JSON.parse(await docker('image', 'inspect', 'tools:7'))[0]
    expect(await mountsOf('told')).toEqual({
      '/c': { Type: 'bind', Source: bound, Mode: 'Z,ro', RW: false, Propagation: 'rprivate' },
      '/data': volume('data', 'z', true),
      '/plain': volume('plain', 'rw', true),
      '/n': volume('named', 'z', false),
      '/u': { Type: 'tmpfs', Source: '', Mode: '', RW: true, Propagation: '' },
      '/r': { Type: 'bind', Source: bound, Mode: '', RW: false, Propagation: 'rprivate' },
      '/tools': {
        Type: 'image',
        Name: 'tools:7',
        Source: Id,
        Mode: '',
        RW: false,
        Propagation: 'rprivate',
      },
      '/anon': anonymous,
      '/image': anonymous,
    })
  })

  it('tells a container whose answer is posted back the same', async () => {
    const args = [
      '-v',
      'data:/data:nocopy',
      '-v',
      '/anon',
      '--tmpfs',
      '/t:mode=700',
      '--volumes-from',
      'first:ro',
    ]
    await docker('create', '--name', 'first', '-v', 'other:/other', 'box', 'true')
    await docker('create', '--name', 'second', ...args, 'box', 'true')
    const { Config, HostConfig } = await inspect('container', 'second')
    const body = { ...Config, HostConfig: { ...HostConfig, MaskedPaths: null, ReadonlyPaths: null } }
    const { status } = await daemon.api('POST', '/containers/create?name=third', body)
    expect(status).toBe(201)
    expect(await mountsOf('third')).toEqual(await mountsOf('second'))
    expect((await inspect('container', 'third')).HostConfig).toEqual(HostConfig)
  })
})

describe('--volumes-from', () => {
  it('shows the mounts of another container, also of one that has them from a third, and not its tmpfs', async () => {
    const bound = directory('lent')
    await wait('lender', '-v', 'data:/data', '-v', '/anon', '-v', `${bound}:/bound:ro`, '--tmpfs', '/t')
    await inside('lender', 'echo lent > /data/file; echo own > /anon/file; echo gone > /t/file')
    const seen = 'cat /data/file /anon/file; ls /t 2>&1; touch /bound/x 2>&1'
    await wait('middle', '--volumes-from', 'lender')
    for (const [from, name] of [
      ['lender', 'one'],
      ['middle:z', 'two'],
    ]) {
      const { stdout } = await daemon.docker(
        ...['run', '--name', name!, '--volumes-from', from!, 'box', 'sh', '-c', seen],
      )
      expect(stdout).toMatch(/^lent\nown\nls: \/t: No such file.*\n.*Read-only file system\n$/)
      expect(await mountsOf(name!)).toEqual({
        '/data': expect.objectContaining({ Name: 'data', Mode: '', RW: true }),
        '/anon': expect.objectContaining({ Type: 'volume', Mode: '', RW: true }),
        '/bound': { Type: 'bind', Source: bound, Mode: '', RW: false, Propagation: 'rprivate' },
      })
      expect((await inspect('container', name!)).HostConfig.VolumesFrom).toEqual([from])
    }
  })

  it('keeps a volume as long as one of them is there', async () => {
    await docker('create', '--name', 'lender', '-v', '/anon', 'box', 'true')
    await docker('create', '--name', 'borrower', '--volumes-from', 'lender', 'box', 'true')
    const [name = ''] = await volumes()
    await docker('rm', '-v', 'lender')
    expect(await volumes()).toEqual([name])
    expect(await refusal('volume', 'rm', name)).toContain('volume is in use')
    await docker('rm', '-v', 'borrower')
    expect(await volumes()).toEqual([])
  })

  it(':ro makes all of them read-only', async () => {
    await docker('create', '--name', 'lender', '-v', 'data:/data', 'box', 'true')
    expect(await sh('touch /data/x 2>&1 || true', '--volumes-from', 'lender:ro')).toContain('Read-only')
    expect(await sh('touch /data/x && echo made', '--volumes-from', 'lender:rw,z')).toBe('made')
  })

  it('wins over the image’s volumes and anonymous ones, and loses against what is named; the last container wins', async () => {
    await docker('create', '--name', 'one', '-v', 'one:/data', '-v', 'extra:/extra', 'box', 'true')
    await docker('create', '--name', 'two', '-v', 'two:/data', '-v', 'more:/more', 'box', 'true')
    const from = ['--volumes-from', 'one', '--volumes-from', 'two']
    await docker(
      ...['create', '--name', 'all', ...from, '-v', 'mine:/more', '-v', '/extra', '--tmpfs', '/image'],
      ...['voluminous', 'true'],
    )
    const mounts = await mountsOf('all')
    expect(mounts).toMatchObject({
      '/data': { Name: 'two' },
      '/extra': { Name: 'extra' },
      '/more': { Name: 'mine' },
    })
    expect(Object.keys(mounts)).toHaveLength(3)
  })

  it('refuses in Docker’s words what it does not find or know, and nothing is made', async () => {
    const created = (...args: string[]) => refusal('create', '-v', 'made:/v', ...args, 'box', 'true')
    await docker('create', '--name', 'lender', 'box', 'true')
    expect(await created('--volumes-from', 'missing')).toMatch(/No such container: missing$/)
    for (const mode of ['bad', 'rshared', 'nocopy', 'ro,rw', 'ro:x'])
      expect(await created('--volumes-from', `lender:${mode}`)).toMatch(new RegExp(`invalid mode: ${mode}$`))
    expect(await created('--volumes-from', '')).toContain(
      'volumes-from specification cannot be an empty string',
    )
    expect(await volumes()).toEqual([])
    expect(await docker('ps', '-aq', '--filter', 'volume=made')).toBe('')
  })

  it('of tsnet’s client is the same', async () => {
    await tsnet('run', '--name', 'lender', '-v', 'data:/data', 'box', 'sh', '-c', 'echo lent > /data/file')
    expect(await tsnet('run', '--rm', '--volumes-from', 'lender:ro', 'box', 'cat', '/data/file')).toBe('lent')
    const { code, stderr } = await daemon.tsnet('create', '--volumes-from', 'missing', 'box')
    expect([code, stderr.trim()]).toEqual([1, 'Error response from daemon: No such container: missing'])
  })
})

describe('an image', () => {
  it('is mounted read-only, whole or one directory of it', async () => {
    const mount = ['--mount', 'type=image,src=tools:7,dst=/tools']
    expect(await sh('cat /tools/version; touch /tools/x 2>&1 || true', ...mount)).toMatch(
      /^seven\n.*Read-only file system$/,
    )
    const part = ['--mount', 'type=image,src=tools:7,dst=/doc,image-subpath=share/doc']
    expect(await sh('ls /doc', ...part)).toBe('readme')
    expect(await tsnet('run', '--rm', ...part, 'box', 'cat', '/doc/readme')).toBe('read me')
  })

  it('is in use while a container has it mounted, by itself or from another', async () => {
    await tsnet('create', '--name', 'one', '--mount', 'type=image,src=tools:7,dst=/tools', 'box', 'true')
    await docker('create', '--name', 'two', '--volumes-from', 'one', 'box', 'true')
    const { Id } = JSON.parse(await docker('image', 'inspect', 'tools:7'))[0]
    const short = Id.slice(7, 19)
    expect(await refusal('rmi', 'tools:7')).toMatch(
      new RegExp(`unable to remove repository reference "tools:7" .* is using its referenced image ${short}`),
    )
    await docker('rm', 'one')
    expect(await refusal('rmi', short)).toContain('image is being used by stopped container')
    expect(await docker('start', '-a', 'two')).toBe('')
    await docker('rm', 'two')
    await docker('tag', 'tools:7', 'tools:8')
    await docker('rmi', 'tools:8')
  })

  it('that there is not is named, and the container’s own is not pulled in its place', async () => {
    const mount = ['--mount', 'type=image,src=absent:1,dst=/x']
    const refused = await refusal('create', '--name', 'never', ...mount, 'box', 'true')
    expect(refused).toMatch(/No such image: absent:1$/)
    expect(refused).not.toContain('Unable to find image')
    const { stderr } = await daemon.tsnet('create', '--pull', 'never', ...mount, 'box', 'true')
    expect(stderr.trim()).toBe('Error response from daemon: No such image: absent:1')
    const pulling = await daemon.tsnet('create', ...mount, 'box', 'true')
    expect(pulling.stderr).toContain("Unable to find image 'absent:1' locally")
    expect(await docker('ps', '-aq')).toBe('')
  })
})

describe('targets', () => {
  it('in /proc are refused before anything is made, but those that tell of the container’s own share', async () => {
    const inProc = (target: string) => refusal('run', '--rm', '-v', `made:${target}`, 'box', 'true')
    expect(await inProc('/proc')).toContain('"/proc" cannot be mounted because it is not of type proc')
    expect(await inProc('/x/../proc/sys')).toContain(
      '"/proc/sys" cannot be mounted because it is inside /proc',
    )
    expect(await volumes()).toEqual([])
    const file = join(host, 'uptime')
    writeFileSync(file, '1.00 1.00\n')
    expect(await sh('cat /proc/uptime', '-v', `${file}:/proc/uptime`)).toBe('1.00 1.00')
    expect(await sh('ls /sys', '-v', `${directory('sys')}:/sys`)).toBe('')
  })

  it('may lie in a volume: what is mounted there does not reach it', async () => {
    const inner = directory('inner')
    const args = ['-v', `${inner}:/outer/sub`, '-v', 'outer:/outer']
    expect(await sh('echo deep > /outer/sub/file; echo flat > /outer/file; ls /outer', ...args)).toBe(
      'file\nsub',
    )
    expect(readFileSync(join(inner, 'file'), 'utf8')).toBe('deep\n')
    expect(await sh('cat /outer/file; ls /outer/sub', '-v', 'outer:/outer')).toBe('flat')
  })

  it('are had once, whatever asks for them, and told as they were given', async () => {
    const twice = (...args: string[]) => refusal('create', ...args, 'box', 'true')
    expect(await twice('-v', 'one:/v', '-v', 'two:/v/')).toMatch(/Duplicate mount point: \/v$/)
    expect(await twice('-v', 'one:/v', '--tmpfs', '/v')).toMatch(/Duplicate mount point: \/v$/)
    expect(await twice('-v', 'one:/v', '--mount', 'type=volume,dst=/v/')).toMatch(
      /Duplicate mount point: \/v\/$/,
    )
    expect(await volumes()).toEqual([])
  })

  it.each([
    ['bad name:/v', 'create bad name: "bad name" includes invalid characters for a local volume name'],
    ['data:/v:copy', 'invalid mode: copy'],
    ['data:/v:rshared', `type "volume": field BindOptions must not be specified`],
    ['/srv:/v:nocopy', `type "bind": field VolumeOptions must not be specified`],
    ['/v:ro', "invalid volume specification: '/v:ro'"],
  ])('of -v %s are refused in Docker’s words', async (text, sentence) => {
    expect(await refusal('create', '-v', text, 'box', 'true')).toContain(sentence)
    expect(await volumes()).toEqual([])
  })
})

describe('a volume', () => {
  it('that its driver refuses, or that has none, leaves no other behind', async () => {
    const refused = (...mount: string[]) => refusal('create', '-v', 'made:/made', ...mount, 'box', 'true')
    expect(await refused('--mount', 'type=volume,src=data,dst=/v,volume-opt=colour=red')).toContain(
      'create data: invalid option: "colour"',
    )
    const unknown = /error looking up volume plugin nope: plugin "nope" not found/
    const named = await refused('--mount', 'type=volume,src=data,dst=/v,volume-driver=nope')
    expect(named).toMatch(unknown)
    expect(named).not.toContain('Unable to find image')
    expect(await refusal('create', '--volume-driver', 'nope', '-v', 'data:/v', 'box', 'true')).toMatch(
      unknown,
    )
    expect(await volumes()).toEqual([])
  })

  it('without a name may be read-only, and has what the image has there', async () => {
    const mount = ['--mount', 'type=volume,dst=/data,readonly']
    expect(await sh('cat /data/seed; touch /data/x 2>&1 || true', ...mount)).toMatch(
      /^from-image\n.*Read-only/,
    )
  })

  it('is warned of where the driver for all does not count for it', async () => {
    const body = {
      Image: 'box',
      Cmd: ['true'],
      HostConfig: { VolumeDriver: 'local', Mounts: [{ Type: 'volume', Target: '/v' }] },
    }
    expect((await daemon.api('POST', '/containers/create', body)).body).toMatchObject({
      Warnings: [expect.stringContaining('the container-wide volume-driver configuration is ignored')],
    })
  })
})

describe('a bind', () => {
  it('of a directory that holds the data root lets go what is unmounted there', async () => {
    await docker('create', '--name', 'seer', '-v', `${daemon.dataRoot}/..:/up`, 'box', 'true')
    const [mount] = (await inspect('container', 'seer')).Mounts
    expect(mount).toMatchObject({ Propagation: 'rslave' })
    const data = `type=bind,src=${daemon.dataRoot},dst=/x,bind-propagation=private`
    expect(await refusal('create', '--mount', data, 'box', 'true')).toContain(
      'must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root',
    )
  })
})

describe('tsnet’s own', () => {
  it('own=uid:gid gives what the mount makes to somebody, once', async () => {
    const made = join(host, 'made/for/web')
    await tsnet('run', '--rm', '-v', `${made}:/b:own=1000:2000`, 'box', 'true')
    expect([statSync(made).uid, statSync(made).gid]).toEqual([1000, 2000])
    await tsnet('run', '--rm', '-v', `${made}:/b:own=3:3`, 'box', 'true')
    expect(statSync(made).uid).toBe(1000)
    const owner = ['box', 'stat', '-c', '%u:%g', '/v']
    expect(await tsnet('run', '--rm', '-v', 'volume:/v:own=5:6', ...owner)).toBe('5:6')
    expect(await tsnet('run', '--rm', '--mount', 'type=volume,src=other,dst=/v,own=7:8', ...owner)).toBe(
      '7:8',
    )
    const { stderr } = await daemon.tsnet('create', '-v', 'data:/v:own=web', 'box')
    expect(stderr).toContain("invalid owner 'web': give the numbers of a user and a group, as in 1000:1000")
  })

  it('idmap shows owners as others and writes as they are on disk', async () => {
    const home = directory('home')
    const file = join(home, 'file')
    writeFileSync(file, '')
    execFileSync('chown', ['-R', '1000:1000', home])
    const script = 'stat -c %u:%g /h/file; touch /h/new'
    expect(await tsnet('run', '--rm', '-v', `${home}:/h:idmap=1000:0:1`, 'box', 'sh', '-c', script)).toBe(
      '0:0',
    )
    expect(statSync(join(home, 'new')).uid).toBe(1000)
    await tsnet(
      'create',
      '--name',
      'mapped',
      '--mount',
      `type=bind,src=${home},dst=/h,idmap=1000:0:1`,
      'box',
      'true',
    )
    expect((await inspect('container', 'mapped')).HostConfig.Mounts).toEqual([
      { Type: 'bind', Source: home, Target: '/h', BindOptions: { IDMap: 'uid:1000:0:1;gid:1000:0:1' } },
    ])
  })
})

/** The client beside Docker's own, both in front of a real dockerd: the same words must do and show the same. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxArchive, dockerClient, type Result, repository, run } from '../helpers/daemon.ts'
import { type Dockerd, startDockerd } from '../helpers/dockerd.ts'
import { requires } from '../helpers/requires.ts'

let dockerd: Dockerd
let folder: string
const node = process.execPath
const program = join(repository, 'dist/cli.cjs')

const env = () => ({
  DOCKER_HOST: `unix://${dockerd.socket}`,
  TSNET_HOST: '',
  DOCKER_CONFIG: folder,
  PASSED: 'on',
})
const tsnet = (...args: string[]) => run(node, ['--', program, ...args], { env: env() })
const docker = (...args: string[]) => run(dockerClient(), args, { env: env() })

const version = Number(
  /version (\d+)/.exec(execFileSync(dockerClient(), ['--version'], { encoding: 'utf8' }))?.[1],
)
/** Docker's client had other words and other flags before. */
const beside = requires('a docker client of version 28 or newer', version >= 28)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-beside-'))
  writeFileSync(join(folder, 'env'), 'FROM=file\n# no\nPASSED\nABSENT\n')
  dockerd = await startDockerd()
  const imported = await run(node, ['--', program, 'import', '-', 'box:1'], {
    input: busyboxArchive(),
    env: env(),
  })
  expect(imported).toMatchObject({ code: 0, stderr: '' })
  await docker('network', 'create', '--subnet', '10.88.0.0/16', 'own')
  await docker('volume', 'create', 'data')
})

afterAll(async () => {
  await dockerd?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** What a container looks like, without what is different in any two. */
async function createdBy(client: typeof tsnet, flags: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await client('create', ...flags, 'box:1', 'sleep', '60')
  if (code !== 0) throw new Error(stderr)
  const id = stdout.trim()
  const inspected = await docker('inspect', id)
  await docker('rm', '-v', id)
  const [{ Config, HostConfig, Mounts, NetworkSettings }] = JSON.parse(inspected.stdout)
  // Docker sends variables and binds, and lists mounts, in the order of a hash.
  Config.Env?.sort()
  HostConfig.Binds?.sort()
  Mounts.sort((one: { Destination: string }, other: { Destination: string }) =>
    one.Destination < other.Destination ? -1 : 1,
  )
  for (const mount of Mounts) if (/^[0-9a-f]{64}$/.test(mount.Name)) mount.Name = mount.Source = 'anonymous'
  const text = JSON.stringify({ Config, HostConfig, Mounts, Networks: NetworkSettings.Networks })
  return JSON.parse(text.replaceAll(id.slice(0, 12), 'id'), (_key, value) => {
    // Nothing may be told by null, by an empty list, or not at all.
    const isEmpty = value === null || (typeof value === 'object' && Object.keys(value).length === 0)
    return isEmpty ? undefined : value
  })
}

describe('a container', () => {
  test.each([
    [''],
    ['--name named -h host --domainname example.org'],
    ['-it'],
    ['-i'],
    ['-a stdout -a stderr'],
    ['-e A=1 -e PASSED -e ABSENT -e EMPTY= --env-file $folder/env'],
    ['-w /tmp -u 1000:1000 --group-add 2000 --group-add web'],
    ['--entrypoint /bin/echo'],
    ['--entrypoint='],
    ['-l a=1 --label b -l a=2'],
    ['-p 8080:80 -p 127.0.0.1:53:53/udp -p 9000-9002:9000-9002 -p 81 --expose 7000-7001'],
    ['-p 7000-7010:80 -p [::1]:443:443 -P'],
    ['-p published=8080,target=80,protocol=udp'],
    ['-v data:/data -v /anonymous -v /etc:/host:ro,rshared'],
    ['--mount type=bind,src=/etc,dst=/e,readonly --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700'],
    ['--mount src=data,dst=/d,volume-nocopy --mount type=volume,dst=/n,volume-label=x=y'],
    ['--tmpfs /run:size=64k,mode=755 --tmpfs /tmp --shm-size 1m'],
    ['-m 64m --memory-reservation 32m --memory-swap 128m --cpus 0.5 -c 512 --cpuset-cpus 0 --pids-limit 50'],
    ['--cpu-period 50000 --cpu-quota 25000 --cpuset-mems 0 --memory-swap -1 -m 64m'],
    ['--read-only --cap-add CAP_NET_ADMIN --cap-drop ALL --cap-drop CAP_MKNOD'],
    ['--security-opt no-new-privileges --security-opt seccomp=unconfined'],
    ['--security-opt systempaths=unconfined --privileged'],
    ['--ulimit nofile=1024:2048 --ulimit core=0 --ulimit nproc=-1'],
    ['--sysctl net.core.somaxconn=99 --sysctl kernel.msgmax=100'],
    ['--dns 1.1.1.1 --dns-search example.org --dns-option ndots:2 --add-host db:10.0.0.5'],
    ['--stop-signal SIGUSR1 --stop-timeout 3 --restart on-failure:3 --oom-score-adj 100'],
    ['--rm --init'],
    ['--rm=false --init=false --read-only=true'],
    ['--network own --ip 10.88.0.99 --network-alias one --network-alias two'],
    ['--network name=own,alias=one,ip=10.88.0.98'],
    ['--net none'],
    ['--network host'],
  ])('created with %s is the same', compareCreated)

  for (const line of [
    '-v ./relative:/relative:ro -v .:/here',
    '--add-host=six=[::1] --add-host five=[10.0.0.5]',
  ]) {
    beside(`created with ${line} is the same`, () => compareCreated(line))
  }
})

async function compareCreated(line: string): Promise<void> {
  const flags = line
    .replaceAll('$folder', folder)
    .split(' ')
    .filter((flag) => flag !== '')
  const [own, theirs] = [await createdBy(tsnet, flags), await createdBy(docker, flags)]
  expect(own).toEqual(theirs)
}

/** The text with the other client's name in place of this one's. */
const renamed = ({ code, stdout, stderr }: Result) => {
  const rename = (text: string) => text.replace(/\btsnet(?=[: ])/g, 'docker')
  return { code, stdout: rename(stdout), stderr: rename(stderr) }
}

const sayings = `
  run --nope box:1
  run -p
  run -p x box:1
  run -p 1-2:1-3 box:1
  run -m much box:1
  run --cpus many box:1
  run --rm=perhaps box:1
  run -l = box:1
  run -e = box:1
  run --mount type=bind,nope box:1
  run --ulimit nope=1 box:1
  run --sysctl vm.swappiness=1 box:1
  run --add-host db box:1
  run --dns nope box:1
  run --network own --network host box:1
  run --rm --restart always box:1
  run -d -a stdout box:1
  run --pull often box:1
  run --network-alias x box:1
  run --mac-address zz box:1
  run box:1 /nope
  run --rm box:1 /etc
  run --name box:1
  create
  ps extra
  ps --filter nope
  ps -n x
  rename one
  kill nope
  stop nope also-nope
  rm nope
  rm -f nope
  create --pull never nope
  wait nope
  logs nope
  exec nope true
  attach nope
  container inspect nope
  image inspect nope:1
  network inspect nope
  volume inspect nope
  network create --subnet nope x
  network create --gateway 10.0.0.1 x
  network create --subnet 10.1.0.0/16 --subnet 10.1.2.0/24 x
  network connect nope nope
  network create own
  volume rm nope
  rmi nope
  pull localhost:1/nope
  nope
  network nope`

describe('what is said', () => {
  for (const line of sayings.trim().split('\n')) {
    beside(`to ${line.trim()} is the same`, async () => {
      const args = line.trim().split(' ')
      expect(renamed(await tsnet(...args))).toEqual(await docker(...args))
    })
  }
})

const shown = [
  ['ps', '--no-trunc'],
  ['ps', '-a'],
  ['ps', '-aq'],
  ['ps', '-a', '--filter', 'status=created', '--format', '{{.Names}}: {{.Image}} {{.Command}}'],
  ['ps', '--format', 'table {{.Names}}\t{{.Ports}}\t{{.Label "role"}}\t{{.Labels}}'],
  [
    'ps',
    '--format',
    '{{upper .Names}} {{.CreatedAt}} {{.State}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}} {{.Size}}',
  ],
  ['ps', '-s', '--format', '{{.Size}}'],
  ['images'],
  ['images', '-q', '--no-trunc'],
  ['images', '--format', '{{.Repository}} {{.Tag}} {{.ID}} {{.Size}} {{.CreatedAt}}'],
  ['network', 'ls'],
  [
    'network',
    'ls',
    '--no-trunc',
    '--filter',
    'driver=bridge',
    '--format',
    '{{.ID}} {{.Name}} {{.Internal}} {{.IPv6}} {{.CreatedAt}}',
  ],
  ['volume', 'ls'],
  ['volume', 'ls', '--format', '{{json .Name}} {{.Mountpoint}} {{.Scope}} {{.Links}} {{.Size}}'],
  ['inspect', '-f', '{{.State.Status}} {{.Config.Cmd}} {{.HostConfig.PortBindings}}', 'a-rather-long-name'],
  [
    'inspect',
    '-f',
    '{{range $p, $b := .NetworkSettings.Ports}}{{$p}}={{(index $b 0).HostPort}} {{end}}',
    'web',
  ],
  ['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}} {{json .Config.Labels}}', 'web'],
  [
    'inspect',
    '-f',
    '{{if .State.Running}}up{{else}}down{{end}} {{len .Mounts}} {{.Name | printf "%q"}}',
    'web',
  ],
  ['inspect', '-f', '{{index .Config.Labels "role"}} {{join .Config.Cmd ","}} {{.ID}}', 'web'],
  ['inspect', '-f', '{{.Id}} {{.NetworkSettings.IPAddress}}', 'web'],
  ['network', 'inspect', '-f', '{{range .IPAM.Config}}{{.Subnet}}{{end}} {{json .Labels}}', 'own'],
  ['volume', 'inspect', '-f', '{{.Name}} {{.Driver}}', 'data'],
]

/**
 * A second may pass between the two clients, which moves whole columns. (Docker lists the names of one image in the order of a
 * hash, so that lines are sorted besides.)
 */
function withoutAges(text: string): string {
  const age = /(Less than a second|About a minute|\d+ (second|minute)s?)( ago)?/g
  return age.test(text) ? text.replace(age, 'AGE').replace(/ +/g, ' ') : text
}

describe('what is shown', () => {
  beforeAll(async () => {
    await docker(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '8080:80',
      '-p',
      '9000-9001:9000-9001/udp',
      '-l',
      'role=front',
      'box:1',
      'sleep',
      '600',
    )
    await docker('create', '--name', 'a-rather-long-name', 'box:1', 'echo', 'twenty characters and more')
    await docker('tag', 'box:1', 'localhost:5000/some/box:v2')
  })

  for (const args of shown) {
    beside(`by ${JSON.stringify(args)} is the same`, async () => {
      const [own, theirs] = [await tsnet(...args), await docker(...args)]
      const sorted = ({ stdout, ...rest }: Result) => ({
        ...rest,
        lines: withoutAges(stdout).split('\n').sort(),
      })
      expect(sorted(own)).toEqual(sorted(theirs))
    })
  }

  beside('by inspect holds the same JSON', async () => {
    const [own, theirs] = [
      await tsnet('inspect', 'web', 'own', 'data'),
      await docker('inspect', 'web', 'own', 'data'),
    ]
    expect(own.stdout).toBe(theirs.stdout)
  })

  beside('by events is the same', async () => {
    const args = ['events', '--since', '10m', '--until', '0s', '--filter', 'type=container']
    const [own, theirs] = [await tsnet(...args), await docker(...args)]
    expect(own.stdout.split('\n').length).toBeGreaterThan(3)
    expect(own).toEqual(theirs)
  })
})

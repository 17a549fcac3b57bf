import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Result, RunOptions } from '../helpers/daemon.ts'
import { busyboxArchive, dockerClient, TestDaemon } from '../helpers/daemon.ts'
import { Terminal } from '../helpers/pty.ts'

let daemon: TestDaemon
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-run-'))
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(async () => {
  await daemon?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const clients = [
  ['docker', (options: RunOptions, ...args: string[]) => daemon.dockerWith(options, ...args)],
  ['tsnet', (options: RunOptions, ...args: string[]) => daemon.tsnetWith(options, ...args)],
] as const

describe.each(clients)('%s run', (_name, client) => {
  const runWith = (options: RunOptions, ...args: string[]): Promise<Result> =>
    client(options, 'run', '--rm', ...args)
  const run = (...args: string[]): Promise<Result> => runWith({}, ...args)
  const sh = async (script: string, ...options: string[]): Promise<string> => {
    const { stdout, stderr, code } = await run(...options, 'box', 'sh', '-c', script)
    expect([code, stderr], script).toEqual([0, ''])
    return stdout
  }

  it.each([
    ['0 for success', ['box', 'true'], 0],
    ["the program's own", ['box', 'sh', '-c', 'exit 3'], 3],
    ['126 for what cannot be executed', ['box', '/etc/passwd'], 126],
    ['126 for a directory', ['box', '/etc'], 126],
    ['127 for a path that is not there', ['box', '/nope'], 127],
    ['127 for a name that is in no directory of PATH', ['box', 'nope'], 127],
    ['125 for a user that is not there', ['-u', 'nobody', 'box', 'true'], 125],
    ['125 for a wrong option', ['-m', '1k', 'box', 'true'], 125],
  ])('ends with %s', async (_title, args, code) => {
    expect((await run(...args)).code).toBe(code)
  })

  it('ends with 128 and the signal when a signal ended the program', async () => {
    const victim = await client({}, 'run', '-d', 'box', 'sleep', '60')
    const waiting = client({}, 'wait', victim.stdout.trim())
    await client({}, 'kill', victim.stdout.trim())
    expect((await waiting).stdout).toBe('137\n')
    await client({}, 'rm', victim.stdout.trim())
  })

  it('keeps output and errors apart', async () => {
    const result = await run('box', 'sh', '-c', 'echo out; echo err >&2; exit 3')
    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
  })

  it('with -a gives only the stream that was asked for', async () => {
    const result = await run('-a', 'stdout', 'box', 'sh', '-c', 'echo out; echo err >&2')
    expect(result).toEqual({ code: 0, stdout: 'out\n', stderr: '' })
  })

  it('with -i passes five megabytes through unchanged', async () => {
    const input = randomBytes(5_000_000)
    const { stdout } = await runWith({ input }, '-i', 'box', 'md5sum')
    expect(stdout.slice(0, 32)).toBe(createHash('md5').update(input).digest('hex'))
  })

  it('with -i hands over the end of the input and still reads what comes after', async () => {
    const script = 'cat; echo done; sleep 0.1; echo later'
    const result = await runWith({ input: 'a\nb\n' }, '-i', 'box', 'sh', '-c', script)
    expect(result).toEqual({ code: 0, stdout: 'a\nb\ndone\nlater\n', stderr: '' })
  })

  it('with -i ends when the program does not want all of its input', async () => {
    const result = await runWith({ input: 'y\n'.repeat(1_000_000) }, '-i', 'box', 'head', '-n1')
    expect(result).toMatchObject({ code: 0, stdout: 'y\n' })
  })

  it('without -i gives no input', async () => {
    expect(await runWith({ input: 'lost' }, 'box', 'cat')).toMatchObject({ code: 0, stdout: '' })
  })

  it('passes bytes that are no text unchanged', async () => {
    expect(await sh('printf "\\377\\376\\0\\1" | md5sum')).toBe(
      `${createHash('md5')
        .update(Buffer.from([255, 254, 0, 1]))
        .digest('hex')}  -\n`,
    )
  })

  it('sets variables by value, from its own environment and from files', async () => {
    const file = join(folder, 'env')
    writeFileSync(file, 'A=1\n# a comment\n\nB=x y\nFROM_FILE\nEMPTY=\n')
    const options = { env: { FROM_FILE: 'file', FROM_HERE: 'here' } }
    const env = ['--env-file', file, '-e', 'A=2', '-e', 'FROM_HERE', '-e', 'NOT_SET']
    const { stdout } = await runWith(options, ...env, 'box', 'env')
    expect(stdout.trim().split('\n').sort()).toEqual([
      'A=2',
      'B=x y',
      'EMPTY=',
      'FROM_FILE=file',
      'FROM_HERE=here',
      'HOME=/root',
      expect.stringMatching(/^HOSTNAME=[0-9a-f]{12}$/),
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ])
  })

  it.each([
    ['web', 'uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)\n'],
    ['1000', 'uid=1000(web) gid=1000(web) groups=1000(web),2000(extra)\n'],
    ['1234', 'uid=1234 gid=0(root) groups=0(root)\n'],
    ['1234:5678', 'uid=1234 gid=5678 groups=5678\n'],
    ['web:root', 'uid=1000(web) gid=0(root) groups=0(root)\n'],
    [':1000', 'uid=0(root) gid=1000(web) groups=1000(web)\n'],
  ])('-u %s runs as %s', async (user, id) => {
    expect(await sh('id', '-u', user)).toBe(id)
  })

  it('--group-add adds groups by name and by number', async () => {
    expect(await sh('id', '--group-add', 'web', '--group-add', '4242')).toBe(
      'uid=0(root) gid=0(root) groups=0(root),1000(web),4242\n',
    )
  })

  it('-w makes the directory where it is missing', async () => {
    expect(await sh('pwd; stat -c "%a %u" .', '-w', '/made/here')).toBe('/made/here\n755 0\n')
  })

  it('sets host and domain name, in /etc/hosts too', async () => {
    const script =
      'hostname; cat /proc/sys/kernel/domainname; tail -n1 /etc/hosts | cut -f2; cat /etc/hostname'
    expect(await sh(script, '--hostname', 'h1', '--domainname', 'd.example')).toBe(
      'h1\nd.example\nh1.d.example h1\nh1\n',
    )
  })

  it('--add-host and --dns write /etc/hosts and say where names are asked for', async () => {
    const options = [
      '--add-host',
      'a:1.2.3.4',
      '--dns',
      '9.9.9.9',
      '--dns-search',
      'ex.com',
      '--dns-option',
      'ndots:3',
    ]
    const text = await sh('cat /etc/hosts /etc/resolv.conf', ...options)
    expect(text).toMatch(/^1\.2\.3\.4\ta$/m)
    expect(text).toMatch(/9\.9\.9\.9/)
    expect(text).toMatch(/^search ex\.com$/m)
    expect(text).toMatch(/^options ndots:3$/m)
  })

  it.each([
    ['/t', /^tmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime 0 0$/],
    ['/t:size=1m,mode=700,uid=1000', /rw,nosuid,nodev,noexec,relatime,size=1024k,mode=700,uid=1000/],
    ['/t:exec', /rw,nosuid,nodev,relatime 0 0$/],
    ['/t:ro', /^tmpfs \/t tmpfs ro,/],
  ])('--tmpfs %s mounts it so', async (tmpfs, line) => {
    expect((await sh('grep " /t " /proc/mounts', '--tmpfs', tmpfs)).trim()).toMatch(line)
  })

  it('--entrypoint takes the place of the command, and an empty one changes nothing', async () => {
    expect((await run('--entrypoint', 'echo', 'box', 'a', 'b')).stdout).toBe('a b\n')
    expect((await run('--entrypoint', '', 'box', 'echo', 'x')).stdout).toBe('x\n')
  })

  it('--cidfile gets the id, and one that is there already is left alone', async () => {
    const file = join(folder, `cid-${_name}`)
    expect((await run('--cidfile', file, 'box', 'true')).code).toBe(0)
    const id = readFileSync(file, 'utf8')
    expect(id).toMatch(/^[0-9a-f]{64}$/)
    expect(await run('--cidfile', file, 'box', 'true')).toMatchObject({ code: 125 })
    expect(readFileSync(file, 'utf8')).toBe(id)
  })

  it('-t gives a terminal though the client has none', async () => {
    const { stdout } = await run('-t', 'box', 'sh', '-c', 'tty; ls /dev/console; echo $TERM; echo err >&2')
    expect(stdout).toBe('/dev/pts/0\r\n/dev/console\r\nxterm\r\nerr\r\n')
  })

  it('-d prints the id alone, and the name stays taken', async () => {
    const started = await client({}, 'run', '-d', '--name', 'one', 'box', 'true')
    expect(started.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    const again = await client({}, 'run', '-d', '--name', 'one', 'box', 'true')
    expect(again.code).toBe(125)
    expect(again.stderr).toContain(
      `Conflict. The container name "/one" is already in use by container "${started.stdout.trim()}"`,
    )
    await client({}, 'rm', '-f', 'one')
  })
})

describe('docker run on a terminal', () => {
  const onTerminal = (script: string): Terminal =>
    new Terminal(script, { DOCKER_HOST: `unix://${daemon.socket}` })
  const docker = dockerClient()

  it('has its size, and the exit code of the shell', async () => {
    await using terminal = onTerminal(`${docker} run --rm -it box sh; echo "code $?"`)
    await terminal.until(/# /)
    terminal.type('stty size; tty\r')
    await terminal.until(/33 111\r\n\/dev\/pts\/0/)
    terminal.type('exit 4\r')
    await terminal.until(/code 4/)
    expect(await terminal.end()).toBe(0)
  })

  it('hands ctrl-c to the program', async () => {
    const script = 'trap "exit 9" INT; echo up; while :; do sleep 0.05; done'
    await using terminal = onTerminal(`${docker} run --rm -it box sh -c '${script}'; echo "code $?"`)
    await terminal.until(/up/)
    terminal.type('\x03')
    await terminal.until(/code 9/)
  })

  it('can be left by keys of the user’s choice and come back to', async () => {
    await using terminal = onTerminal(
      `${docker} run --detach-keys ctrl-a,x --name left -it box sh; echo "left $?"; ${docker} attach left; echo "over $?"`,
    )
    await terminal.until(/# /)
    terminal.type('\x01x')
    await terminal.until(/left 0\r\n/)
    terminal.type('exit 7\r')
    await terminal.until(/over 7\r\n/)
    await daemon.docker('rm', '-f', 'left')
  })
})

describe('a refusal', () => {
  const state = async (): Promise<string> => {
    const lists = [
      ['ps', '-aq', '--no-trunc'],
      ['volume', 'ls', '-q'],
      ['network', 'ls', '-q', '--no-trunc'],
    ]
    return (await Promise.all(lists.map((list) => daemon.docker(...list))))
      .map(({ stdout }) => stdout)
      .join('|')
  }

  // What the client itself refuses is tried over the API as well: not every client is so careful.
  it.each([
    [['--network', 'nonet'], 'network nonet not found'],
    [['-w', 'rel'], "the working directory 'rel' is invalid, it needs to be an absolute path"],
    [['-w', '/etc/passwd'], 'Cannot mkdir: /etc/passwd is not a directory'],
    [['-u', 'nobody'], 'unable to find user nobody: no matching entries in passwd file'],
    [['-u', 'web:nogroup'], 'unable to find group nogroup: no matching entries in group file'],
    [['-u', '99999999999'], 'uids and gids must be in range 0-2147483647'],
    [['--group-add', 'nogroup'], 'unable to find group nogroup: no matching entries in group file'],
    [['--tmpfs', '/t:bogus'], 'invalid tmpfs option "bogus"'],
    [['--tmpfs', '/t:size=x'], 'invalid tmpfs option "size=x"'],
    [['--tmpfs', 't'], "invalid mount path: 't' mount path must be absolute"],
    [['-v', '/x:rel'], "invalid mount path: 'rel' mount path must be absolute"],
    [['-v', '/etc:/'], "invalid specification: destination can't be '/'"],
    [['-v', '/etc:/x:bogus'], 'invalid mode: bogus'],
    [['-v', '/tmp:/x', '-v', '/etc:/x'], 'Duplicate mount point: /x'],
    [['--mount', 'type=bind,src=/nonexist,dst=/x'], 'bind source path does not exist: /nonexist'],
    [['--mount', 'type=foo,src=/x,dst=/x'], 'invalid mount config for type "foo": mount type unknown'],
    [['--cap-add', 'NOPE'], 'invalid CapAdd: unknown capability: "CAP_NOPE"'],
    [['--cap-drop', 'NOPE'], 'invalid CapDrop: unknown capability: "CAP_NOPE"'],
    [['--security-opt', 'nope=1'], 'invalid --security-opt 2: "nope=1"'],
    [['--stop-signal', 'NOPE'], 'Invalid signal: NOPE'],
    [['--name', 'bad name'], 'Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
    [['--hostname', 'bad host!'], 'invalid hostname format: bad host!'],
    [['--oom-score-adj', '5000'], 'Invalid value 5000, range for oom score adj is [-1000, 1000]'],
    [
      ['--network', 'bridge', '--ip', '1.2.3.4'],
      'user specified IP address is supported on user defined networks only',
    ],
    [['--privileged'], 'Privileged'],
    [['--pid', 'host'], 'PidMode'],
    [['--log-driver', 'bogus'], 'the only logging driver is json-file'],
  ])('of run %j says %s, and changes nothing', async (options, message) => {
    const before = await state()
    const result = await daemon.docker('run', '--rm', ...options, 'box', 'true')
    expect(result).toMatchObject({ code: 125, stdout: '' })
    expect(result.stderr).toContain(message)
    expect(await state()).toBe(before)
  })

  it.each([
    [{ HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '70000' }] } } }, '70000'],
    [{ HostConfig: { PortBindings: { '70000/tcp': [{}] } } }, '70000'],
    [{ ExposedPorts: { '80/xyz': {} } }, 'xyz'],
    [{ HostConfig: { Memory: 1024 } }, 'Minimum memory limit allowed is 6MB'],
    [{ HostConfig: { Dns: ['x'] } }, 'invalid IP address: x'],
    [{ HostConfig: { ExtraHosts: ['a:x'] } }, 'invalid IP address in add-host: "x"'],
    [{ HostConfig: { Sysctls: { 'kernel.panic': '1' } } }, 'kernel.panic'],
    [{ HostConfig: { Ulimits: [{ Name: 'bogus', Soft: 1, Hard: 1 }] } }, 'bogus'],
    [{ HostConfig: { Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] } }, 'hard limit: 2 > 1'],
    [{ HostConfig: { ShmSize: -1 } }, 'SHM size can not be less than 0'],
    [{ Env: ['=x'] }, 'invalid environment variable: =x'],
  ])('of a create with %j is a 400 that names %s, and changes nothing', async (body, message) => {
    const before = await state()
    const answer = await daemon.api('POST', '/containers/create', { Image: 'box', Cmd: ['true'], ...body })
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringContaining(message) } })
    expect(await state()).toBe(before)
  })

  it('of an unknown image is a 404 that names it', async () => {
    const answer = await daemon.api('POST', '/containers/create', { Image: 'nope:x', Cmd: ['true'] })
    expect(answer).toEqual({ status: 404, body: { message: 'No such image: nope:x' } })
  })
})

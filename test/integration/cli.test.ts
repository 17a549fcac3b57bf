import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { busyboxArchive, repository, TestDaemon } from '../helpers/daemon.ts'
import { Terminal } from '../helpers/pty.ts'

let daemon: TestDaemon
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-cli-'))
  daemon = await TestDaemon.start()
  const imported = await daemon.tsnetWith({ input: busyboxArchive() }, 'import', '-', 'box:1')
  expect(imported).toMatchObject({ code: 0, stderr: '' })
})

afterAll(async () => {
  await daemon?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const tsnet = (...args: string[]) => daemon.tsnet(...args)
const cli = `'${process.execPath}' -- '${join(repository, 'dist/cli.cjs')}'`

/** A client that is still running. */
function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, ['--', join(repository, 'dist/cli.cjs'), ...args], {
    env: { ...process.env, TSNET_HOST: `unix://${daemon.socket}` },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

async function outputHas(child: ChildProcess, word: string): Promise<void> {
  let shown = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    shown += chunk
    if (shown.includes(word)) return
  }
  throw new Error(`${word} was not shown, but ${shown}`)
}

async function statusOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return child.exitCode
}

/** A running container that goes when the test does. */
async function box(...args: string[]) {
  const { stdout, stderr, code } = await tsnet('run', '-d', ...args)
  expect([code, stderr]).toEqual([0, ''])
  const id = stdout.trim()
  return { id, [Symbol.asyncDispose]: async () => void (await tsnet('rm', '-f', id)) }
}

describe('all that a command prints', () => {
  test('reaches readers who take their time, on both streams', async () => {
    const long = 'x'.repeat(120_000)
    const slowly = (command: string) => `{ ${command}; echo " $?"; } | { sleep 0.3; wc -c; }`
    const commands = [`${cli} version --format "$LONG"`, `${cli} "$LONG" 2>&1`].map(slowly)
    const child = spawn('bash', ['-c', commands.join('\n')], {
      env: { ...process.env, TSNET_HOST: `unix://${daemon.socket}`, LONG: long },
    })
    const told = `tsnet: unknown command: tsnet ${long}\n\nRun 'tsnet --help' for more information\n 1\n`
    expect(await text(child.stdout)).toBe(`${long.length + 4}\n${told.length}\n`)
  })
})

describe('tsnet run', () => {
  test('keeps output and errors apart and ends with the status of the program', async () => {
    const result = await tsnet('run', '--rm', 'box:1', 'sh', '-c', 'echo out; echo err >&2; exit 3')
    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
  })

  test('passes input on, and its end', async () => {
    const result = await daemon.tsnetWith({ input: 'one\ntwo\n' }, 'run', '--rm', '-i', 'box:1', 'wc', '-l')
    expect(result).toEqual({ code: 0, stdout: '2\n', stderr: '' })
  })

  test('leaves input alone without -i', async () => {
    const result = await daemon.tsnetWith({ input: 'lost' }, 'run', '--rm', 'box:1', 'cat')
    expect(result).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('carries megabytes both ways without changing one', async () => {
    const bytes = randomBytes(8 << 20)
    const child = start('run', '--rm', '-i', 'box:1', 'cat')
    child.stdin?.end(bytes)
    const hash = createHash('sha256')
    for await (const chunk of child.stdout as Readable) hash.update(chunk)
    expect(await statusOf(child)).toBe(0)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  test('ends quietly when nobody reads its output any more', async () => {
    const command = `${cli} run --rm box:1 sh -c 'yes | head -c 4000000' | head -1; echo \${PIPESTATUS[0]}`
    const child = spawn('bash', ['-c', command], {
      env: { ...process.env, TSNET_HOST: `unix://${daemon.socket}` },
    })
    const [shown, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect([shown, errors]).toEqual(['y\n0\n', ''])
  })

  test('prints the id of a container in the background, and writes it to a file that must be new', async () => {
    const cidfile = join(folder, 'cid')
    await using web = await box('--cidfile', cidfile, 'box:1', 'sleep', '60')
    expect(web.id).toMatch(/^[0-9a-f]{64}$/)
    expect(readFileSync(cidfile, 'utf8')).toBe(web.id)
    const again = await tsnet('run', '-d', '--cidfile', cidfile, 'box:1', 'sleep', '60')
    expect(again.code).toBe(125)
    expect(again.stderr).toContain(
      `container ID file found, make sure the other container isn't running or delete ${cidfile}`,
    )
    expect(readFileSync(cidfile, 'utf8')).toBe(web.id)
  })

  test('takes the id file back when nothing came of the container', async () => {
    const cidfile = join(folder, 'none')
    expect((await tsnet('run', '--cidfile', cidfile, '--pull', 'never', 'nope', 'true')).code).toBe(125)
    expect(existsSync(cidfile)).toBe(false)
  })

  test('creates the network it is to join, and says so', async () => {
    await using web = await (async () => {
      const { stdout, stderr, code } = await tsnet('run', '-d', '--network', 'fresh', 'box:1', 'sleep', '60')
      expect(code).toBe(0)
      expect(stderr).toMatch(/^network fresh created: bridge, \d+\.\d+\.0\.0\/\d+\n$/)
      const id = stdout.trim()
      return { id, [Symbol.asyncDispose]: async () => void (await tsnet('rm', '-f', id)) }
    })()
    const { stdout } = await tsnet(
      'inspect',
      '-f',
      '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}',
      web.id,
    )
    expect(stdout).toBe('fresh\n')
    const second = await tsnet('run', '--rm', '--network', 'fresh', 'box:1', 'true')
    expect(second).toEqual({ code: 0, stdout: '', stderr: '' })
    await tsnet('rm', '-f', web.id)
    expect((await tsnet('network', 'rm', 'fresh')).code).toBe(0)
  })

  test.each([
    ['/nope', 127, 'no such file or directory'],
    ['/etc', 126, 'is a directory'],
    ['/etc/passwd', 126, 'permission denied'],
  ])('ends for the program %s with %i', async (program, code, words) => {
    const result = await tsnet('run', '--rm', 'box:1', program)
    expect(result.code).toBe(code)
    expect(result.stderr).toMatch(/^tsnet: Error response from daemon: /)
    expect(result.stderr).toContain(words)
    expect(result.stderr).toMatch(/\n\nRun 'tsnet run --help' for more information\n$/)
  })

  test('sends signals on to the program', async () => {
    const script = 'trap "echo got term; exit 42" TERM; echo ready; while :; do sleep 0.05; done'
    const child = start('run', '--rm', 'box:1', 'sh', '-c', script)
    await outputHas(child, 'ready')
    child.kill('SIGTERM')
    expect(await statusOf(child)).toBe(42)
  })

  test('keeps signals to itself when told to', async () => {
    const name = 'unproxied'
    const child = start(
      'run',
      '--name',
      name,
      '--sig-proxy=false',
      'box:1',
      'sh',
      '-c',
      'echo ready; sleep 60',
    )
    await outputHas(child, 'ready')
    child.kill('SIGTERM')
    await statusOf(child)
    expect(child.signalCode).toBe('SIGTERM')
    expect((await tsnet('inspect', '-f', '{{.State.Running}}', name)).stdout).toBe('true\n')
    await tsnet('rm', '-f', name)
  })

  test.each([
    [
      ['--nope'],
      "unknown flag: --nope\n\nUsage:  tsnet run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'tsnet run --help' for more information\n",
    ],
    [['--pull', 'never', 'nope:1'], 'No such image: nope:1'],
    [
      ['--pull', 'often', 'box:1'],
      'invalid pull option: \'often\': must be one of "always", "missing" or "never"',
    ],
    [['--env-file', '/nope', 'box:1'], '--env-file: open /nope: no such file or directory'],
  ])('ends for %j with 125', async (args, words) => {
    const result = await tsnet('run', ...args)
    expect(result.stderr).toContain(words)
    expect(result.code).toBe(125)
  })
})

test.each([
  [['-d', '-a', 'stdout', 'box:1'], 'conflicting options: cannot specify both --attach and --detach\n'],
  [['-it', 'box:1'], 'cannot attach stdin to a TTY-enabled container because stdin is not a terminal\n'],
])('run %j ends with 1 before anything is created', async (args, stderr) => {
  expect(await tsnet('run', ...args)).toEqual({ code: 1, stdout: '', stderr })
})

describe('a terminal', () => {
  const onTerminal = (script: string) => new Terminal(script, { TSNET_HOST: `unix://${daemon.socket}` })

  test('is the program’s while it runs, has its size, and comes back as it was', async () => {
    await using terminal = onTerminal(
      `before=$(stty -g); ${cli} run --rm -it box:1 sh -c 'until stty size | grep "33 111"; do :; done 2>/dev/null; read a; echo "<$a>"; exit 5'; echo "code $?"; [ "$(stty -g)" = "$before" ] && echo same`,
    )
    await terminal.until(/33 111/)
    terminal.type('typed\r')
    await terminal.until(/<typed>/)
    await terminal.until(/code 5\r\nsame/)
    expect(await terminal.end()).toBe(0)
  })

  test('passes every byte of output on as the program wrote it', async () => {
    await using terminal = onTerminal(`${cli} run --rm -it box:1 sh -c 'stty -onlcr; printf "a\\nb\\n"'`)
    expect(await terminal.end()).toBe(0)
    expect(terminal.shown).toBe('a\nb\n')
  })

  test('lets the user leave with ctrl-p ctrl-q, and come back', async () => {
    await using terminal = onTerminal(
      `${cli} run --name left -it box:1 sh; echo "left $?"; ${cli} attach left; echo "over $?"`,
    )
    await terminal.until(/# /)
    terminal.type('\x10\x11')
    await terminal.until(/left 0\r\n/)
    terminal.type('exit 7\r')
    await terminal.until(/over 7\r\n/)
    await tsnet('rm', '-f', 'left')
  })

  test('hands ctrl-c to the program', async () => {
    await using terminal = onTerminal(
      `${cli} run --rm -it box:1 sh -c 'trap "exit 9" INT; echo up; while :; do sleep 0.05; done'; echo "code $?"`,
    )
    await terminal.until(/up/)
    terminal.type('\x03')
    await terminal.until(/code 9/)
  })

  test('tells the program when its size changes', async () => {
    await using terminal = onTerminal(
      `(sleep 1; stty rows 20 cols 70 </dev/tty) & ${cli} run --rm -it box:1 sh -c 'trap "stty size" WINCH; until stty size | grep -q "20 70"; do sleep 0.05; done 2>/dev/null; sleep 0.1'`,
    )
    await terminal.until(/20 70/)
    expect(await terminal.end()).toBe(0)
  })

  test('is there for exec too', async () => {
    await using web = await box('box:1', 'sleep', '60')
    await using terminal = onTerminal(`${cli} exec -it ${web.id} sh -c 'stty size; tty; exit 6'`)
    expect(await terminal.end()).toBe(6)
    expect(terminal.shown).toMatch(/33 111\r\n\/dev\/pts\/\d+/)
  })
})

describe('tsnet exec', () => {
  test('runs a program in a container with its own surroundings and status', async () => {
    await using web = await box('-e', 'A=1', 'box:1', 'sleep', '60')
    const script = 'echo $A $B; pwd; id -u; cat; exit 4'
    const args = ['exec', '-i', '-e', 'B=2', '-w', '/tmp', '-u', 'web', web.id, 'sh', '-c', script]
    expect(await daemon.tsnetWith({ input: 'in\n' }, ...args)).toEqual({
      code: 4,
      stdout: '1 2\n/tmp\n1000\nin\n',
      stderr: '',
    })
  })

  test('leaves a program in the background', async () => {
    await using web = await box('box:1', 'sh', '-c', 'mkfifo /tmp/p; cat /tmp/p; sleep 60')
    expect(await tsnet('exec', '-d', web.id, 'sh', '-c', 'echo from exec >/tmp/p')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    const logs = start('logs', '-f', web.id)
    await outputHas(logs, 'from exec')
    logs.kill()
    await statusOf(logs)
  })

  test('says which container is missing', async () => {
    expect(await tsnet('exec', 'nope', 'true')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Error response from daemon: No such container: nope\n',
    })
  })
})

describe('the life of a container', () => {
  test('goes from create to rm by its own commands', async () => {
    const created = await tsnet(
      'create',
      '--name',
      'life',
      '-i',
      'box:1',
      'sh',
      '-c',
      'read a; echo "got $a"; exit 2',
    )
    expect(created).toMatchObject({ code: 0, stderr: '' })
    expect((await tsnet('ps', '-a', '--filter', 'name=life', '--format', '{{.State}}')).stdout).toBe(
      'created\n',
    )
    const attached = await daemon.tsnetWith({ input: 'word\n' }, 'start', '-ai', 'life')
    expect(attached).toEqual({ code: 2, stdout: 'got word\n', stderr: '' })
    expect(await tsnet('rename', 'life', 'after')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await tsnet('logs', 'after')).stdout).toBe('got word\n')
    expect((await tsnet('wait', 'after')).stdout).toBe('2\n')
    expect(await tsnet('rm', 'after')).toEqual({ code: 0, stdout: 'after\n', stderr: '' })
  })

  test('start, stop, restart and kill print the names they were given', async () => {
    await using _web = await box('--name', 'web', 'box:1', 'sleep', '60')
    for (const args of [['restart', '-t', '0'], ['stop', '-t', '0'], ['start'], ['kill', '-s', 'KILL']]) {
      expect(await tsnet(...args, 'web')).toEqual({ code: 0, stdout: 'web\n', stderr: '' })
    }
  })

  test('what works for one name is not held up by another', async () => {
    await using _web = await box('--name', 'web', 'box:1', 'sleep', '60')
    expect(await tsnet('rm', '-f', 'web')).toEqual({ code: 0, stdout: 'web\n', stderr: '' })
    await using _again = await box('--name', 'web', 'box:1', 'sleep', '60')
    expect(await tsnet('stop', '-t', '0', 'nope', 'web')).toEqual({
      code: 1,
      stdout: 'web\n',
      stderr: 'Error response from daemon: No such container: nope\n',
    })
    expect(await tsnet('rm', '-f', 'nope')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'Error response from daemon: No such container: nope\n',
    })
  })

  test('logs can be cut to their end and told with times', async () => {
    await using web = await box('box:1', 'sh', '-c', 'echo one; echo two >&2; sleep 60')
    await outputHas(start('logs', '-f', web.id), 'one')
    expect((await tsnet('logs', '-n', '1', web.id)).stderr).toBe('two\n')
    expect((await tsnet('logs', '-t', web.id)).stdout).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z one\n$/)
    expect((await tsnet('logs', '--since', '1h', '--until', '30m', web.id)).stdout).toBe('')
  })
})

describe('lists', () => {
  test('show a table, ids, templates and JSON', async () => {
    await using web = await box('--name', 'web', '-l', 'role=front', '-p', '8080:80', 'box:1', 'sleep', '60')
    const short = web.id.slice(0, 12)
    const { stdout } = await tsnet('ps')
    const [head, row] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^CONTAINER ID {3}IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/)
    expect(row).toMatch(
      new RegExp(`^${short} {3}box:1 +"sleep 60" +.* ago +Up .* 0\\.0\\.0\\.0:8080->80/tcp.* web$`),
    )
    expect((await tsnet('ps', '-q')).stdout).toBe(`${short}\n`)
    expect((await tsnet('ps', '-q', '--no-trunc')).stdout).toBe(`${web.id}\n`)
    expect((await tsnet('ps', '--format', 'table {{.Names}}\\t{{.Label "role"}}')).stdout).toBe(
      'NAMES     role\nweb       front\n',
    )
    expect(JSON.parse((await tsnet('ps', '--format', 'json')).stdout)).toMatchObject({
      ID: short,
      State: 'running',
    })
    expect((await tsnet('ps', '--filter', 'name=nope', '-q')).stdout).toBe('')
    expect((await tsnet('ps', 'x')).stderr).toContain("tsnet: 'tsnet ps' accepts no arguments")
  })

  test('inspect finds containers, images, networks and volumes by name', async () => {
    await using web = await box('--name', 'web', 'box:1', 'sleep', '60')
    expect((await tsnet('volume', 'create', 'data')).stdout).toBe('data\n')
    const found = await tsnet('inspect', 'web', 'box:1', 'bridge', 'data', 'nope')
    expect(found.code).toBe(1)
    expect(found.stderr).toBe('error: no such object: nope\n')
    const [container, image, network, volume] = JSON.parse(found.stdout) as Record<string, unknown>[]
    expect([container?.['Id'], network?.['Driver'], volume?.['Name']]).toEqual([web.id, 'bridge', 'data'])
    expect(image?.['RepoTags']).toEqual(['box:1'])
    expect((await tsnet('inspect', '--type', 'image', 'web')).stderr).toContain('No such image: web')
    expect((await tsnet('container', 'inspect', '-f', '{{.State.Status}}', 'web')).stdout).toBe('running\n')
    expect((await tsnet('inspect', '-f', '{{.Nope}}', 'web')).code).toBe(1)
    expect((await tsnet('inspect', '-f', '{{.Nope', 'web')).code).toBe(64)
    expect((await tsnet('volume', 'rm', 'data', 'data')).stderr).toMatch(/get data: no such volume/)
  })
})

describe('networks and volumes', () => {
  test('a network goes from create to rm with its addresses and members', async () => {
    const flags = [
      '--subnet',
      '10.99.0.0/16',
      '--gateway',
      '10.99.0.9',
      '--ip-range',
      '10.99.5.0/24',
      '--label',
      'a=b',
    ]
    expect((await tsnet('network', 'create', ...flags, 'own')).stdout).toMatch(/^[0-9a-f]{64}\n$/)
    const config = await tsnet('network', 'inspect', '-f', '{{json .IPAM.Config}} {{.Labels.a}}', 'own')
    expect(config.stdout).toBe(
      '[{"Subnet":"10.99.0.0/16","IPRange":"10.99.5.0/24","Gateway":"10.99.0.9"}] b\n',
    )
    await using web = await box('box:1', 'sleep', '60')
    const connected = await tsnet('network', 'connect', '--ip', '10.99.1.1', '--alias', 'me', 'own', web.id)
    expect(connected).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await tsnet('inspect', '-f', '{{.NetworkSettings.Networks.own.IPAddress}}', web.id)).stdout).toBe(
      '10.99.1.1\n',
    )
    expect(
      (await tsnet('network', 'ls', '--filter', 'name=own', '--format', '{{.Name}} {{.Driver}}')).stdout,
    ).toBe('own bridge\n')
    expect((await tsnet('network', 'disconnect', 'own', web.id)).code).toBe(0)
    expect(await tsnet('network', 'rm', 'own', 'own')).toEqual({
      code: 1,
      stdout: 'own\n',
      stderr: 'Error response from daemon: network own not found\n',
    })
  })

  test('a relative source of a bind is taken from where the client is', async () => {
    writeFileSync(join(folder, 'file'), 'from here')
    const command = `cd '${folder}' && ${cli} run --rm -v ./file:/f:ro box:1 cat /f`
    const child = spawn('sh', ['-c', command], {
      env: { ...process.env, TSNET_HOST: `unix://${daemon.socket}` },
    })
    expect(await text(child.stdout)).toBe('from here')
  })
})

describe('images', () => {
  test('go out to an archive and come back with their names', async () => {
    const archive = join(folder, 'box.tar')
    expect(await tsnet('tag', 'box:1', 'other/box:2')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await tsnet('save', '-o', archive, 'other/box:2')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
    expect((await tsnet('rmi', 'other/box:2')).stdout).toBe('Untagged: other/box:2\n')
    expect((await tsnet('load', '-i', archive)).stdout).toMatch(/^Loaded image: other\/box:2$/m)
    const names = await tsnet('images', '--format', '{{.Repository}}:{{.Tag}}', 'other/*')
    expect(names.stdout.split('\n')).toContain('other/box:2')
    expect((await tsnet('load', '-i', '/nope')).stderr).toBe('open /nope: no such file or directory\n')
    expect((await tsnet('rmi', 'other/box:2', 'nope')).code).toBe(1)
  })

  test('import applies changes', async () => {
    const input = busyboxArchive()
    await daemon.tsnetWith(
      { input },
      'import',
      '-c',
      'CMD ["echo","by default"]',
      '-m',
      'why',
      '-',
      'changed:1',
    )
    expect((await tsnet('run', '--rm', 'changed:1')).stdout).toBe('by default\n')
    expect((await tsnet('rmi', 'changed:1')).code).toBe(0)
  })
})

test('events are told as they happen', async () => {
  const events = start('events', '--filter', 'type=volume')
  const template = start('events', '--filter', 'type=volume', '--format', '{{.Action}} {{.Actor.ID}}')
  await using _both = {
    [Symbol.asyncDispose]: async () => {
      events.kill()
      template.kill()
      await Promise.all([statusOf(events), statusOf(template)])
    },
  }
  // The answer to a later request says that the earlier ones are being served.
  await tsnet('version')
  await tsnet('volume', 'create', 'told')
  await outputHas(template, 'create told\n')
  const line = (await once(events.stdout as Readable, 'data'))[0].toString()
  expect(line).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}(Z|[+-]\d\d:\d\d) volume create told \(driver=local\)\n/,
  )
  await tsnet('volume', 'rm', 'told')
})

test('version and info name both sides', async () => {
  expect((await tsnet('version', '-f', '{{.Client.Version}} {{.Server.Os}}')).stdout).toMatch(
    /^\d+\.\d+\.\d+ linux\n$/,
  )
  expect((await tsnet('info', '-f', '{{.DockerRootDir}}')).stdout).toBe(`${daemon.dataRoot}\n`)
  const alone = await tsnet('-H', 'unix:///nope.sock', 'version')
  expect(alone.stdout).toMatch(/^Client:\n Version: +\d/)
  expect([alone.code, alone.stderr]).toEqual([
    1,
    'Cannot connect to the tsnet daemon at unix:///nope.sock. Is the tsnet daemon running?\n',
  ])
})

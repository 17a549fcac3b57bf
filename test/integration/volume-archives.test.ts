import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { repository, TestDaemon } from '../helpers/daemon.ts'
import { makeCertificates } from '../unit/api/certificates.ts'

let dir: string
let daemon: TestDaemon
let other: TestDaemon
let killFile: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsnet-volume-archives-'))
  writeCertificates()
  killFile = join(dir, 'kill-at')
  const preload = `--import=${join(repository, 'test/helpers/kill-at-journal.mjs')}`
  daemon = await TestDaemon.start([], { NODE_OPTIONS: preload, TSNET_TEST_KILL_FILE: killFile })
  other = await TestDaemon.start(['-H', 'tcp://127.0.0.1:2376', '-H', otherHost(), ...tlsFlags('server')])
  await daemon.tsnet('volume', 'create', '--label', 'team=a', 'data')
  // More than fits into the buffers on the way, and not compressible.
  const data = dataOf(daemon, 'data')
  mkdirSync(join(data, 'deep/er'), { recursive: true })
  execFileSync('sh', [
    '-c',
    `head -c 12000000 /dev/urandom > ${data}/random; ln ${data}/random ${data}/deep/er/again`,
  ])
  execFileSync('truncate', ['-s', '1G', join(data, 'deep/hole')])
  execFileSync('setfattr', ['-n', 'user.a', '-v', 'b', join(data, 'deep')])
})
afterAll(async () => {
  await daemon.stop()
  await other.stop()
  rmSync(dir, { recursive: true, force: true })
})

function writeCertificates(): void {
  const { ca, ...others } = makeCertificates()
  writeFileSync(join(dir, 'ca.pem'), ca)
  for (const [name, { cert, key }] of Object.entries(others)) {
    writeFileSync(join(dir, `${name}-cert.pem`), cert)
    writeFileSync(join(dir, `${name}-key.pem`), key)
  }
}

const tlsFlags = (name: 'server' | 'client' | 'stranger'): string[] => [
  `--tlscacert=${dir}/ca.pem`,
  `--tlscert=${dir}/${name}-cert.pem`,
  `--tlskey=${dir}/${name}-key.pem`,
]

const otherHost = (): string => `unix://${dir}/other.sock`

const dataOf = (one: TestDaemon, volume: string): string => join(one.dataRoot, 'volumes', volume, '_data')

/** Names, kinds, owners, times, links and attributes, and the content of what is no hole. */
function listing(path: string): string {
  const script =
    'find . -printf "%p %y %m %U:%G %T@ %n %s %l\\n" | sort; getfattr -Rd -m- . ; sha256sum random'
  return execFileSync('sh', ['-c', script], { cwd: path, encoding: 'utf8' })
}

function incoming(one: TestDaemon): string[] {
  const path = join(one.dataRoot, 'volumes/.incoming')
  return existsSync(path) ? readdirSync(path) : []
}

/** A way to a daemon's socket on which each of the first connections is cut after so many bytes, either way. */
async function fragile(
  socket: string,
  cuts: readonly number[],
): Promise<{ host: string; cut: () => number; server: Server }> {
  const path = join(dir, `proxy-${Math.random().toString(36).slice(2)}`)
  const left = [...cuts]
  const server = createServer((client) => {
    const target = connect(socket)
    let rest = Number.POSITIVE_INFINITY
    let isLong = false
    const count = (length: number): void => {
      // Short requests pass: what breaks is a transfer.
      if (!isLong && length > 10_000 && left.length > 0) [isLong, rest] = [true, left.shift()!]
      rest -= length
      if (rest >= 0) return
      client.destroy()
      target.destroy()
    }
    client.on('data', (chunk) => count(chunk.length)).on('error', () => target.destroy())
    target.on('data', (chunk) => count(chunk.length)).on('error', () => client.destroy())
    client.pipe(target).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return { host: `unix://${path}`, cut: () => cuts.length - left.length, server }
}

/** Of a file of 63 MiB that is no hole. */
function largeArchive(): string {
  writeFileSync(join(dir, 'large'), Buffer.alloc(63 << 20, 1))
  execFileSync('tar', ['-C', dir, '-cf', join(dir, 'large.tar'), 'large'])
  return join(dir, 'large.tar')
}

describe('a volume as an archive', () => {
  it('comes back whole under another name, with its labels', async () => {
    const file = join(dir, 'data.tar.zst')
    const exported = await daemon.tsnet('volume', 'export', 'data', '-o', file)
    expect(exported).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(existsSync(`${file}.part`)).toBe(false)
    expect(statSync(file).size).toBeLessThan(13_000_000)
    expect(await daemon.tsnet('volume', 'import', 'again', file)).toMatchObject({
      code: 0,
      stdout: 'again\n',
    })
    expect(listing(dataOf(daemon, 'again'))).toBe(listing(dataOf(daemon, 'data')))
    const { body } = await daemon.api('GET', '/volumes/again')
    expect(body).toMatchObject({ Labels: { team: 'a' }, Driver: 'local' })
    expect(incoming(daemon)).toEqual([])
  })

  it('is not written where no file can be', async () => {
    const missing = await daemon.tsnet('volume', 'export', 'data', '-o', join(dir, 'none/x'))
    expect(missing).toEqual({
      code: 1,
      stdout: '',
      stderr: `invalid output path: directory "${dir}/none" does not exist\n`,
    })
    const directory = await daemon.tsnet('volume', 'export', 'data', '-o', dir)
    expect(directory.stderr).toBe(`invalid output path: "${dir}" is a directory\n`)
    expect(existsSync(`${dir}.part`)).toBe(false)
  })

  it('fits into a volume of the same size, though it is nearly full', async () => {
    const file = join(dir, 'full.tar.zst')
    await daemon.tsnet('volume', 'create', '-o', 'size=64m', 'full')
    const image = await daemon.tsnet('volume', 'import', '--replace', '--now', 'full', largeArchive())
    expect(image.stderr).toContain('was not made by tsnet')
    expect(await daemon.tsnet('volume', 'export', 'full', '-o', file)).toMatchObject({ code: 0 })
    const again = await daemon.tsnet('volume', 'import', '-o', 'size=64m', 'full2', file)
    expect(again).toEqual({ code: 0, stdout: 'full2\n', stderr: '' })
    const less = await daemon.tsnet('volume', 'import', '-o', 'size=32m', 'full3', file)
    expect(less.stderr).toContain('does not fit')
    await daemon.tsnet('volume', 'rm', '--now', 'full', 'full2')
  })

  it('passes through pipes, to GNU tar too', async () => {
    const host = `TSNET_HOST=unix://${daemon.socket} ${process.execPath} ${repository}/dist/cli.cjs`
    mkdirSync(join(dir, 'by-tar'))
    execFileSync('sh', [
      '-c',
      `${host} volume export data | tar --zstd --xattrs --xattrs-include='*' -xpf - -C ${dir}/by-tar`,
    ])
    expect(listing(join(dir, 'by-tar'))).toBe(listing(dataOf(daemon, 'data')))
    execFileSync(
      'sh',
      ['-c', `tar -C ${dir}/by-tar -c random | gzip -1 | ${host} volume import -q piped -`],
      { stdio: 'pipe' },
    )
    expect(readdirSync(dataOf(daemon, 'piped'))).toEqual(['random'])
  })

  it('replaces a volume only when that is said, and keeps what was there', async () => {
    const file = join(dir, 'data.tar.zst')
    await daemon.tsnet('volume', 'create', 'mine')
    writeFileSync(join(dataOf(daemon, 'mine'), 'precious'), 'x')
    const refused = await daemon.tsnet('volume', 'import', 'mine', file)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('there is a volume mine already')
    const replaced = await daemon.tsnet('volume', 'import', '--replace', 'mine', file)
    expect(replaced.code).toBe(0)
    const kept = /kept as its snapshot (\S+)/.exec(replaced.stderr)?.[1]
    expect(listing(dataOf(daemon, 'mine'))).toBe(listing(dataOf(daemon, 'data')))
    expect((await daemon.tsnet('volume', 'rollback', 'mine', kept!)).code).toBe(0)
    expect(readdirSync(dataOf(daemon, 'mine'))).toEqual(['precious'])
  })

  it('is refused when it is broken or hostile, and leaves nothing', async () => {
    const bytes = readFileSync(join(dir, 'data.tar.zst'))
    writeFileSync(join(dir, 'short'), bytes.subarray(0, bytes.length - 1000))
    bytes[5_000_000]! ^= 1
    writeFileSync(join(dir, 'changed'), bytes)
    execFileSync('tar', ['-cPf', join(dir, 'absolute'), '/etc/hostname'])
    writeFileSync(join(dir, 'empty'), '')
    writeFileSync(join(dir, 'text'), 'hello\n')
    mkdirSync(join(dir, 'directory'))
    const refusals = {
      short: 'cut short',
      changed: 'its sha256 is',
      absolute: 'has the absolute path',
      empty: 'the archive is empty: nothing was received',
      text: 'what is imported is no tar archive',
      directory: `read ${join(dir, 'directory')}: is a directory`,
    }
    for (const [file, reason] of Object.entries(refusals)) {
      const { code, stderr } = await daemon.tsnet('volume', 'import', 'bad', join(dir, file))
      expect(code, file).toBe(1)
      expect(stderr, file).toContain(reason)
    }
    const large = await daemon.tsnet('volume', 'import', '--max-size', '1m', 'bad', join(dir, 'data.tar.zst'))
    expect(large.stderr).toContain('larger than 1048576 bytes')
    const named = await daemon.tsnet('volume', 'import', 'b d', join(dir, 'absolute'))
    expect(named.stderr).toContain('includes invalid characters')
    expect((await daemon.api('GET', '/volumes/bad')).status).toBe(404)
    expect(existsSync(join(daemon.dataRoot, 'volumes/bad'))).toBe(false)
    expect(incoming(daemon)).toEqual([])
  })

  it('goes on where its way out was cut, and begins anew when it has changed meanwhile', async () => {
    const file = join(dir, 'resumed')
    const way = await fragile(daemon.socket, [5_000_000, 3_000_000])
    const exported = await daemon.tsnet('-H', way.host, 'volume', 'export', 'data', '-o', file)
    way.server.close()
    expect(exported.stderr).toBe('')
    expect(way.cut()).toBe(2)
    expect(readFileSync(file).equals(readFileSync(join(dir, 'data.tar.zst')))).toBe(true)

    const stale = `/tsnet/v1/volumes/data/export?offset=100&sha256=${'0'.repeat(64)}`
    expect(await daemon.api('GET', stale)).toMatchObject({
      status: 412,
      body: { message: expect.stringContaining('has changed') },
    })
  })

  it('goes on where its way in was cut', async () => {
    const way = await fragile(daemon.socket, [4_000_000, 2_000_000])
    const imported = await daemon.tsnet('-H', way.host, 'volume', 'import', 'cut', join(dir, 'data.tar.zst'))
    way.server.close()
    expect(imported).toMatchObject({ code: 0, stdout: 'cut\n' })
    expect(way.cut()).toBe(2)
    expect(listing(dataOf(daemon, 'cut'))).toBe(listing(dataOf(daemon, 'data')))
  })

  it('survives that the daemon is killed at any step, and is never half there', async () => {
    for (const at of [1, 2]) {
      const name = `killed${at}`
      writeFileSync(killFile, String(at))
      const importing = daemon.tsnet('volume', 'import', name, join(dir, 'data.tar.zst'))
      await daemon.ended()
      const path = dataOf(daemon, name)
      await daemon.launch()
      if ((await daemon.api('GET', `/volumes/${name}`)).status === 200)
        expect(listing(path)).toBe(listing(dataOf(daemon, 'data')))
      expect((await importing).code, name).toBe(0)
      expect(listing(path), name).toBe(listing(dataOf(daemon, 'data')))
    }
  })
})

describe('a volume that is copied to another daemon', () => {
  it('arrives whole over TLS', async () => {
    const copied = await other.tsnet(
      ...[
        '-H',
        `unix://${daemon.socket}`,
        'volume',
        'copy',
        'data',
        '--to',
        'tcp://127.0.0.1:2376',
        '--as',
        'copy',
      ],
      ...tlsFlags('client'),
    )
    expect(copied).toEqual({ code: 0, stdout: 'copy\n', stderr: '' })
    expect(listing(dataOf(other, 'copy'))).toBe(listing(dataOf(daemon, 'data')))
    const labels = await other.tsnet(
      '-H',
      otherHost(),
      'volume',
      'inspect',
      '--format',
      '{{json .Labels}}',
      'copy',
    )
    expect(labels.stdout).toBe('{"team":"a"}\n')
  })

  it('arrives whole although both ways are cut', async () => {
    const from = await fragile(daemon.socket, [5_000_000])
    const to = await fragile(`${dir}/other.sock`, [3_000_000])
    const copied = await daemon.tsnet('-H', from.host, 'volume', 'copy', 'data', '--to', to.host)
    for (const { server } of [from, to]) server.close()
    expect(copied).toMatchObject({ code: 0, stdout: 'data\n' })
    expect([from.cut(), to.cut()]).toEqual([1, 1])
    expect(listing(dataOf(other, 'data'))).toBe(listing(dataOf(daemon, 'data')))
  })

  it('is not sent to whom nobody has vouched for', async () => {
    const target = [
      '-H',
      `unix://${daemon.socket}`,
      'volume',
      'copy',
      'data',
      '--to',
      'tcp://127.0.0.1:2376',
      '--as',
      'lost',
    ]
    const plain = await other.tsnet(...target)
    expect(plain.code).toBe(1)
    const stranger = await other.tsnet(...target, ...tlsFlags('stranger'))
    expect(stranger.code).toBe(1)
    expect(existsSync(dataOf(other, 'lost'))).toBe(false)
  })
})

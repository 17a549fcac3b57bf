import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { repository, type TestDaemon } from '../helpers/daemon.ts'
import { DyingDaemon } from '../helpers/dying-daemon.ts'

let dir: string
let dying: DyingDaemon
let daemon: TestDaemon
/** An archive of `content`. */
let archive: string

const contentSize = 12_000_000

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsnet-volume-transfers-'))
  dying = await DyingDaemon.start()
  daemon = dying.daemon
  archive = join(dir, 'data.tar.zst')
  await daemon.tsnet('volume', 'create', 'data')
  // Not compressible, so that its archive is as long.
  execFileSync('sh', ['-c', `head -c ${contentSize} /dev/urandom > ${dataOf('data')}/random`])
  await daemon.tsnet('volume', 'export', 'data', '-o', archive)
})
afterAll(async () => {
  await dying.stop()
  rmSync(dir, { recursive: true, force: true })
})

const dataOf = (volume: string): string => join(daemon.dataRoot, 'volumes', volume, '_data')
const incomingFolder = (): string => join(daemon.dataRoot, 'volumes/.incoming')
const incoming = (): string[] => (existsSync(incomingFolder()) ? readdirSync(incomingFolder()) : [])
const sumOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Of a stream of messages. */
const lastOf = (body: unknown): unknown =>
  typeof body === 'string' ? JSON.parse(body.trim().split('\n').at(-1)!) : body

interface Way {
  readonly host: string
  /** bytes that have gone in */
  sent(): number
  close(): void
}

/** A way to the daemon that does something once so many bytes have passed in all, and passes no more of that connection. */
async function way(most: number, then: () => void): Promise<Way> {
  const path = join(dir, `way-${Math.random().toString(36).slice(2)}`)
  let passed = 0
  let sent = 0
  let isOver = false
  const server = createServer((client) => {
    const target = connect(daemon.socket)
    const count = (length: number): void => {
      passed += length
      if (passed < most || isOver) return
      isOver = true
      for (const one of [client, target]) one.unpipe().destroy()
      then()
    }
    client.on('data', (chunk) => {
      sent += chunk.length
      count(chunk.length)
    })
    target.on('data', (chunk) => count(chunk.length))
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy())
    client.pipe(target).pipe(client)
  })
  await once(server.listen(path), 'listening')
  return { host: `unix://${path}`, sent: () => sent, close: () => server.close() }
}

describe('an export whose connection breaks', () => {
  beforeAll(async () => void (await daemon.tsnet('volume', 'clone', 'data', 'live')))

  it('begins anew when what has come is not the beginning of the archive any more', async () => {
    const changed = await way(5_000_000, () => {
      const fd = openSync(join(dataOf('live'), 'random'), 'r+')
      writeSync(fd, 'changed', 0)
      closeSync(fd)
    })
    const file = join(dir, 'changed.tar.zst')
    const { code, stderr } = await daemon.tsnet('-H', changed.host, 'volume', 'export', 'live', '-o', file)
    changed.close()
    expect(stderr).toContain(
      'volume live has changed after the connection broke: exporting it from the beginning',
    )
    expect(code).toBe(0)
    const content = execFileSync('tar', ['--zstd', '-xOf', file, 'random'], { maxBuffer: 1 << 30 })
    expect(content.toString('utf8', 0, 7)).toBe('changed')
    expect(content.equals(readFileSync(join(dataOf('live'), 'random')))).toBe(true)
  })

  it('goes on when only what is to come has changed, and is whole', async () => {
    const file = join(dir, 'later.tar.zst')
    mkdirSync(join(dataOf('live'), 'sub'))
    writeFileSync(join(dataOf('live'), 'sub/file'), 'a')
    const later = await way(5_000_000, () => writeFileSync(join(dataOf('live'), 'sub/file'), 'b'))
    expect(await daemon.tsnet('-H', later.host, 'volume', 'export', 'live', '-o', file)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
    later.close()
    expect(execFileSync('tar', ['--zstd', '-xOf', file, 'sub/file'], { encoding: 'utf8' })).toBe('b')
  })
})

describe('an import', () => {
  it('goes on with the same file when its client was killed, and is whole', async () => {
    let kill = (): void => {}
    const broken = await way(8_000_000, () => kill())
    const client = spawn(
      process.execPath,
      [join(repository, 'dist/cli.cjs'), '-H', broken.host, 'volume', 'import', 'resumed', archive],
      { stdio: 'ignore' },
    )
    kill = () => client.kill('SIGKILL')
    await once(client, 'close')
    broken.close()
    await expect.poll(() => incoming().length).toBe(1)
    const rest = await way(Number.POSITIVE_INFINITY, () => {})
    const resumed = await daemon.tsnet('-H', rest.host, 'volume', 'import', '--resume', 'resumed', archive)
    rest.close()
    expect(resumed).toMatchObject({ code: 0, stdout: 'resumed\n' })
    expect(rest.sent()).toBeLessThan(statSync(archive).size - 4_000_000)
    expect(sumOf(join(dataOf('resumed'), 'random'))).toBe(sumOf(join(dataOf('data'), 'random')))
    expect(incoming()).toEqual([])
  })

  it('is told of once more to whom a daemon that died has not told of it', async () => {
    const path = `/tsnet/v1/volumes/told/import?token=${'ab'.repeat(16)}`
    execFileSync('curl', [
      ...[
        '-sf',
        '--unix-socket',
        daemon.socket,
        '-X',
        'PATCH',
        '-H',
        'Content-Type: application/octet-stream',
      ],
      ...['--data-binary', `@${archive}`, `http://x${path}`],
    ])
    const first = await daemon.api('POST', path)
    expect(lastOf(first.body)).toMatchObject({
      aux: { Volume: { Name: 'told' }, Verified: true, Entries: 2 },
    })
    await daemon.kill()
    await daemon.launch()
    expect(lastOf((await daemon.api('POST', path)).body)).toEqual(lastOf(first.body))
    await daemon.tsnet('volume', 'rm', '--now', 'told')
    const gone = await daemon.api('POST', path)
    expect(gone.body).toMatchObject({ message: expect.stringContaining('nothing was received') })
  })

  it('that nobody goes on with is removed after a day', async () => {
    mkdirSync(incomingFolder(), { recursive: true })
    const [old, young] = ['0', '1'].map((digit) => digit.repeat(32)) as [string, string]
    for (const token of [old, young]) writeFileSync(join(incomingFolder(), token), 'part')
    const days = (count: number): number => Date.now() / 1000 - count * 86_400
    utimesSync(join(incomingFolder(), old), days(1.01), days(1.01))
    utimesSync(join(incomingFolder(), young), days(0.9), days(0.9))
    await daemon.kill()
    await daemon.launch()
    await expect.poll(incoming).toEqual([young])
    rmSync(join(incomingFolder(), young))
  })
})

describe('an import that replaces', () => {
  const old = async (): Promise<void> => {
    await daemon.tsnet('volume', 'rm', '--now', 'old')
    await daemon.tsnet('volume', 'create', 'old')
    writeFileSync(join(dataOf('old'), 'precious'), 'x')
  }
  beforeEach(old)

  it('has the old content or the new wherever the daemon is killed, and the old one is kept', async () => {
    const seen = new Set<string>()
    const settled = async (when: string): Promise<void> => {
      const names = readdirSync(dataOf('old'))
      expect([['precious'], ['random']], when).toContainEqual(names)
      if (names[0] === 'random')
        expect(sumOf(join(dataOf('old'), 'random')), when).toBe(sumOf(join(dataOf('data'), 'random')))
      seen.add(names[0]!)
      const { stdout } = await daemon.tsnet('volume', 'snapshots', '-q', 'old')
      if (names[0] === 'random') expect(stdout, when).not.toBe('')
    }
    let deaths = 0
    for (let at = 1; ; at++) {
      await old()
      const done = await dying.dieAt(at, ['volume', 'import', '--replace', 'old', archive], () =>
        settled(`at ${at}`),
      )
      await settled(`after ${at}`)
      if (!done) break
      deaths++
    }
    expect(deaths).toBeGreaterThanOrEqual(4)
    expect([...seen].sort()).toEqual(['precious', 'random'])
  })

  it('goes into a volume that has no room for both, which keeps its limit', async () => {
    await daemon.tsnet('volume', 'create', '-o', 'size=16m', 'small')
    const one = await daemon.tsnet('volume', 'import', '--replace', 'small', archive)
    expect(one.code, one.stderr).toBe(0)
    const again = await daemon.tsnet('volume', 'import', '--replace', 'small', archive)
    expect(again.code, again.stderr).toBe(0)
    const run = (script: string) => daemon.docker('run', '--rm', '-v', 'small:/v', 'box', 'sh', '-c', script)
    expect((await run('sha256sum /v/random')).stdout).toContain(sumOf(join(dataOf('data'), 'random')))
    const more = await run('dd if=/dev/zero of=/v/more bs=1M count=8; stat -c %s /v/more')
    expect(Number(more.stdout)).toBeLessThanOrEqual(5 << 20)
  })

  it('is refused when the volume may not hold as much, and leaves the old content', async () => {
    await daemon.tsnet('volume', 'create', '-o', 'size=8m', 'tiny')
    await daemon.docker('run', '--rm', '-v', 'tiny:/v', 'box', 'sh', '-c', 'echo kept > /v/file')
    const refused = await daemon.tsnet('volume', 'import', '--replace', 'tiny', archive)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(`larger than ${8 << 20} bytes`)
    const { stdout } = await daemon.docker(
      'run',
      '--rm',
      '-v',
      'tiny:/v',
      'box',
      'sh',
      '-c',
      'ls /v; cat /v/file',
    )
    expect(stdout).toBe('file\nkept\n')
  })
})

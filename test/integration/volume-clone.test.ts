import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { DyingDaemon } from '../helpers/dying-daemon.ts'

describe('a clone of a volume', () => {
  let daemon: TestDaemon
  let root: string

  beforeAll(async () => {
    daemon = await TestDaemon.start()
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    root = join(daemon.dataRoot, 'volumes')
  })
  afterAll(() => daemon.stop())
  afterEach(async () => {
    const containers = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter((id) => id !== '')
    if (containers.length > 0) await daemon.docker('rm', '-fv', ...containers)
    await daemon.tsnet('volume', 'prune', '-af', '--now')
  })

  const make = async (name: string, ...options: string[]): Promise<void> => {
    expect((await daemon.docker('volume', 'create', ...options, name)).code).toBe(0)
    const script =
      'mkdir -p /d/inner && echo text > /d/inner/file && ln /d/inner/file /d/again && chown 12:34 /d/again && chmod 2770 /d'
    const done = await daemon.docker('run', '--rm', '-v', `${name}:/d`, 'box', 'sh', '-c', script)
    expect(done.stderr).toBe('')
  }
  const shell = async (name: string, script: string): Promise<string> => {
    const done = await daemon.docker('run', '--rm', '-v', `${name}:/d`, 'box', 'sh', '-c', script)
    return done.stdout + done.stderr
  }

  it('has the data, the labels and the driver of its source, and is a volume of its own', async () => {
    await make('data', '--label', 'team=blue')
    expect(await daemon.tsnet('volume', 'clone', 'data', 'copy')).toMatchObject({ code: 0, stdout: 'copy\n' })
    const { body } = await daemon.api('GET', '/volumes/copy')
    expect(body).toMatchObject({ Name: 'copy', Driver: 'local', Labels: { team: 'blue' } })
    const seen = await shell('copy', 'cat /d/inner/file; stat -c "%u:%g %h" /d/again; stat -c %a /d')
    expect(seen).toBe('text\n12:34 2\n2770\n')
    await shell('copy', 'echo changed > /d/inner/file')
    expect(await shell('data', 'cat /d/again')).toBe('text\n')
  })

  it('takes labels and options that are given instead of its source’s', async () => {
    await make('data', '--label', 'team=blue')
    const done = await daemon.tsnet(
      'volume',
      'clone',
      '--label',
      'team=red',
      '--opt',
      'size=32m',
      'data',
      'copy',
    )
    expect(done.stderr).toBe('')
    const { body } = await daemon.api('GET', '/volumes/copy')
    expect(body).toMatchObject({ Labels: { team: 'red' }, Options: { size: '32m' } })
    expect(await shell('copy', 'cat /d/inner/file')).toBe('text\n')
  })

  it('of a volume with a limit is limited too', async () => {
    await make('data', '--opt', 'size=32m')
    expect((await daemon.tsnet('volume', 'clone', 'data', 'copy')).code).toBe(0)
    expect(
      await shell(
        'copy',
        'cat /d/again; dd if=/dev/zero of=/d/big bs=1M count=40 2>&1 | grep -o "No space.*"',
      ),
    ).toBe('text\nNo space left on device\n')
  })

  it('of a mounted directory is a directory of its own', async () => {
    const part = join(daemon.root, 'part')
    expect(
      (await daemon.docker('run', '--rm', '-v', `${part}:/d`, 'box', 'sh', '-c', 'echo part > /d/file')).code,
    ).toBe(0)
    const bind = ['type=none', 'o=bind', `device=${part}`].flatMap((option) => ['--opt', option])
    expect((await daemon.docker('volume', 'create', ...bind, 'data')).code).toBe(0)
    expect((await daemon.tsnet('volume', 'clone', 'data', 'copy')).stderr).toBe('')
    const { body } = await daemon.api('GET', '/volumes/copy')
    expect(body).toMatchObject({ Options: null })
    await shell('copy', 'echo changed > /d/file')
    expect(readFileSync(join(part, 'file'), 'utf8')).toBe('part\n')
  })

  it('is refused under a name that is taken or cannot be, and of a volume that is not there', async () => {
    await make('data')
    await make('copy')
    expect((await daemon.tsnet('volume', 'clone', 'data', 'copy')).stderr).toContain(
      'clone data: there is a volume copy already: give another name',
    )
    expect((await daemon.tsnet('volume', 'clone', 'data', '../x')).stderr).toContain('invalid characters')
    expect((await daemon.tsnet('volume', 'clone', 'none', 'other')).stderr).toContain(
      'get none: no such volume',
    )
    expect((await daemon.tsnet('volume', 'clone', '--opt', 'nonsense=1', 'data', 'other')).stderr).toContain(
      'invalid option: "nonsense"',
    )
    expect(
      readdirSync(root)
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(['copy', 'data'])
  })

  it('that does not fit leaves nothing, and its error says what is full', async () => {
    await make('data')
    await shell('data', 'dd if=/dev/urandom of=/d/big bs=1M count=40 2>/dev/null')
    const done = await daemon.tsnet('volume', 'clone', '--opt', 'size=16m', 'data', 'copy')
    expect(done.code).toBe(1)
    expect(done.stderr).toMatch(/clone data: .*big: ENOSPC, no space left on device/)
    expect(existsSync(join(root, 'copy'))).toBe(false)
    expect((await daemon.api('GET', '/volumes/copy')).status).toBe(404)
  })

  it('tells how far it is, in bytes, and what came of it last', async () => {
    await make('data')
    await shell('data', 'dd if=/dev/urandom of=/d/big bs=1M count=30 2>/dev/null')
    const text = String((await daemon.api('POST', '/tsnet/v1/volumes/data/clone', { Name: 'copy' })).body)
    const messages = text
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(messages.at(-1)).toMatchObject({ aux: { Name: 'copy' } })
    for (const { status, progressDetail } of messages.slice(0, -1)) {
      expect(status).toBe('Copying')
      expect((progressDetail as { current: number }).current).toBeLessThanOrEqual(30 * 2 ** 20 + 5)
    }
  })

  it('keeps holes: 1 GiB of nothing takes nothing', async () => {
    await make('data')
    await shell('data', 'truncate -s 1G /d/sparse')
    expect((await daemon.tsnet('volume', 'clone', 'data', 'copy')).code).toBe(0)
    const { size, blocks } = statSync(join(root, 'copy/_data/sparse'))
    expect([size, blocks]).toEqual([2 ** 30, 0])
  })
})

// Each death costs a start of the daemon.
describe('a daemon killed at each step of a clone', { timeout: 180_000 }, () => {
  let dying: DyingDaemon
  beforeAll(async () => {
    dying = await DyingDaemon.start()
  })
  afterAll(() => dying.stop())

  it('has all of the clone or nothing of it', async () => {
    const { daemon } = dying
    const root = join(daemon.dataRoot, 'volumes')
    await daemon.docker('volume', 'create', 'data')
    writeFileSync(join(root, 'data/_data/file'), 'content')
    const seen = new Set<boolean>()
    const deaths = await dying.atEachWrite(
      async () => void (await daemon.tsnet('volume', 'rm', '-f', '--now', 'copy')),
      [['volume', 'clone', 'data', 'copy']],
      async (when) => {
        const exists = (await daemon.api('GET', '/volumes/copy')).status === 200
        expect(existsSync(join(root, 'copy')), when).toBe(exists)
        if (exists) expect(readFileSync(join(root, 'copy/_data/file'), 'utf8'), when).toBe('content')
        seen.add(exists)
      },
    )
    expect(deaths).toBeGreaterThanOrEqual(2)
    expect([...seen].sort()).toEqual([false, true])
  })
})

/** A file system whose server does not answer: what needs it fails in its time, and nothing else waits for it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { busyboxArchive, type Result, TestDaemon } from '../helpers/daemon.ts'
import { HangingFs } from '../helpers/hanging-fs.ts'

let daemon: TestDaemon
let hanging: HangingFs

beforeAll(async () => {
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  mkdirSync(join(daemon.root, 'live'))
})
afterAll(() => daemon.stop())

beforeEach(() => {
  hanging = new HangingFs(join(daemon.root, 'dead'))
})
afterEach(async () => {
  hanging[Symbol.dispose]()
  await daemon.docker('rm', '-f', 'stuck')
  await daemon.docker('volume', 'rm', '-f', 'dead')
})

/** Whatever does not need the dead server, one after the other. */
async function everythingElse(): Promise<void> {
  for (const command of [
    ['ps', '-a'],
    ['volume', 'ls'],
    ['volume', 'ls', '--filter', 'dangling=true'],
    ['volume', 'create', 'alive'],
    ['volume', 'inspect', 'alive'],
    ['system', 'df', '-v'],
    ['run', '--rm', '-v', 'alive:/data', 'box', 'touch', '/data/file'],
    ['run', '--rm', '--mount', `type=bind,src=${join(daemon.root, 'live')},dst=/live`, 'box', 'true'],
    ['run', '-d', '--name', 'other', 'box', 'sleep', '600'],
    ['stop', '-t', '0', 'other'],
    ['rm', 'other'],
    ['volume', 'rm', 'alive'],
  ]) {
    const { code, stderr } = await daemon.docker(...command)
    expect(code, `${command.join(' ')}: ${stderr}`).toBe(0)
  }
}

/** Does all else while `command` waits for the dead server; returns what becomes of it when the server is gone. */
async function whileWaiting(...command: string[]): Promise<Result> {
  let ended = false
  const waiting = daemon.docker(...command).finally(() => {
    ended = true
  })
  await everythingElse()
  if (ended) throw new Error(`it did not wait: ${(await waiting).stderr}`)
  hanging.abandon()
  return await waiting
}

const createDead = (timeout: number, path = 'dead/below'): Promise<Result> => {
  const device = `device=${join(daemon.root, path)}`
  const options = ['type=none', `o=bind,timeout=${timeout}`, device].flatMap((option) => ['-o', option])
  return daemon.docker('volume', 'create', ...options, 'dead')
}

describe('a volume whose server is dead', () => {
  it('keeps the container waiting that mounts it, and nobody else', async () => {
    expect((await createDead(60)).code).toBe(0)
    const { code, stderr } = await whileWaiting('run', '--name', 'stuck', '-v', 'dead:/data', 'box', 'true')
    expect(code).not.toBe(0)
    expect(stderr).toContain(
      `error while mounting volume '${daemon.dataRoot}/volumes/dead/_data': failed to mount local volume: mount ${daemon.root}/dead/below:`,
    )
  }, 90_000)

  it('fails a start in the time it has, with a sentence that names it', async () => {
    await createDead(1)
    const { code, stderr } = await daemon.docker('run', '--name', 'stuck', '-v', 'dead:/data', 'box', 'true')
    expect(code).not.toBe(0)
    expect(stderr).toContain(
      `volume "dead" (none ${daemon.root}/dead/below) did not answer within 1 s: "mount-source" was given up`,
    )
    expect((await daemon.docker('inspect', '-f', '{{.State.Status}}', 'stuck')).stdout).toBe('created\n')
    const { stdout } = await daemon.docker('volume', 'inspect', '-f', '{{json .Status}}', 'dead')
    expect(JSON.parse(stdout)).toEqual({
      Mounted: false,
      Users: 0,
      Trouble: expect.stringContaining('did not answer within 1 s'),
    })
    // it can be removed, and tried again
    expect((await daemon.docker('rm', 'stuck')).code).toBe(0)
    expect((await daemon.docker('volume', 'rm', 'dead')).code).toBe(0)
  }, 60_000)

  it('does not keep a daemon from starting, which has forgotten the start', async () => {
    await createDead(60)
    const waiting = daemon.docker('run', '--name', 'stuck', '-v', 'dead:/data', 'box', 'true')
    await expect
      .poll(async () => (await daemon.docker('ps', '-aq')).stdout.trim(), { timeout: 20_000 })
      .not.toBe('')
    await daemon.kill()
    await waiting
    await daemon.launch()
    await everythingElse()
    expect((await daemon.docker('rm', 'stuck')).code).toBe(0)
  }, 90_000)
})

describe('the source of a bind whose server is dead', () => {
  it('keeps the container waiting that starts with it, and nobody else', async () => {
    const source = join(daemon.root, 'dead/below')
    const { code, stderr } = await whileWaiting(
      'run',
      '--name',
      'stuck',
      '-v',
      `${source}:/data`,
      'box',
      'true',
    )
    expect(code).not.toBe(0)
    expect(stderr).toContain(source)
  }, 90_000)

  it('keeps the container waiting that is made for it, and nobody else', async () => {
    const source = join(daemon.root, 'dead/below')
    const { code, stderr } = await whileWaiting(
      ...['create', '--name', 'stuck', '--mount', `type=bind,src=${source},dst=/data`, 'box', 'true'],
    )
    expect(code).not.toBe(0)
    expect(stderr).toContain(source)
  }, 90_000)
})

/** What a daemon cannot clean up at its start, it cleans up later, and nobody sees it until then. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { VolumeRecord } from '../../src/store/records.ts'
import { newId } from '../../src/values/id.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { makeStage } from '../helpers/staged.ts'

let daemon: TestDaemon
let root: string
beforeAll(async () => {
  daemon = await TestDaemon.start()
  root = join(daemon.dataRoot, 'volumes')
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(() => daemon.stop())

/** The daemon dies, and another one takes its place. Returns what `work` finds in the records in between. */
async function die<T>(work: (db: DatabaseSync) => T): Promise<T> {
  await daemon.kill()
  const db = new DatabaseSync(join(daemon.dataRoot, 'state.db'))
  try {
    return work(db)
  } finally {
    // It is one's alone.
    db.close()
    await daemon.launch()
  }
}

function begin(db: DatabaseSync, operation: string, volume: VolumeRecord): void {
  const insert = db.prepare("INSERT INTO journal (operation, subject, step, data) VALUES (?, ?, '', ?)")
  insert.run(operation, volume.name, JSON.stringify(volume))
}

const begun = (db: DatabaseSync): unknown[] => db.prepare('SELECT operation FROM journal').all()

function recordOf(db: DatabaseSync, volume: string): VolumeRecord {
  const found = db.prepare("SELECT value FROM record WHERE collection = 'volume' AND key = ?").get(volume)
  return JSON.parse(String(found!['value'])) as VolumeRecord
}

const names = async (): Promise<string> => (await daemon.docker('volume', 'ls', '-q')).stdout

it('half a volume that cannot be taken away is nobody’s, and goes at a later start', async () => {
  mkdirSync(join(root, 'half/_data'), { recursive: true })
  // In the way of what is discarded.
  writeFileSync(join(root, '.trash'), '')
  const half: VolumeRecord = {
    ...{ id: newId(), name: 'half', driver: 'local', options: {}, labels: {}, mountpoint: '' },
    ...{ anonymous: false, protected: false, origin: null, createdAt: '2026-01-01T00:00:00.000Z' },
  }
  await die((db) => begin(db, 'volume-create', half))
  expect(await names()).toBe('')
  expect(existsSync(join(root, 'half'))).toBe(true)
  rmSync(join(root, '.trash'))
  expect(await die(begun)).toHaveLength(1)
  expect(await names()).toBe('')
  expect(existsSync(join(root, 'half'))).toBe(false)
  expect(await die(begun)).toEqual([])
})

it('a rollback whose volume cannot be reached is ended before the next container sees the volume', async () => {
  const device = join(daemon.root, 'away')
  const options = { type: 'none', device, o: 'bind' }
  const { status } = await daemon.api('POST', '/volumes/create', { Name: 'torn', DriverOpts: options })
  expect(status).toBe(201)
  await die((db) => begin(db, 'volume-replace', recordOf(db, 'torn')))
  mkdirSync(device)
  writeFileSync(join(makeStage(device, 'old'), 'file'), 'old')
  writeFileSync(join(makeStage(device, 'installing'), 'file'), 'new')
  const run = ['run', '--rm', '-v', 'torn:/t', 'box', 'sh', '-c', 'ls -A /t; cat /t/file']
  expect(await daemon.docker(...run)).toMatchObject({ stdout: 'file\nnew', stderr: '' })
  expect(readdirSync(device)).toEqual(['file'])
  expect(await die(begun)).toEqual([])
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { EngineEvent } from '../../../src/engine/engine.ts'
import { Events } from '../../../src/engine/events.ts'
import { Locks } from '../../../src/engine/locks.ts'
import type { Parts } from '../../../src/engine/parts.ts'
import { VolumePruner } from '../../../src/engine/prune-volumes.ts'
import { TsnetError } from '../../../src/errors.ts'
import { createLogger } from '../../../src/log.ts'
import type { VolumeRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import { newId } from '../../../src/values/id.ts'
import type { VolumeDriver } from '../../../src/volumes/volume.ts'
import { mountRequest, plan } from './samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-prune-'))
const store = openStore(join(directory, 'state.db'))
afterAll(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

/** What happens while a volume is measured, by its name. */
const meanwhile = new Map<string, () => void>()
const removed: string[] = []
const driver = {
  name: 'plain',
  usage: ({ name }: VolumeRecord) => {
    meanwhile.get(name)?.()
    return Promise.resolve({ used: 100, limit: 0 })
  },
  remove: ({ name }: VolumeRecord) => {
    if (name === 'broken') return Promise.reject(new Error('device busy'))
    removed.push(name)
    return Promise.resolve()
  },
} as Partial<VolumeDriver>
const events = new Events()
const seen: EngineEvent[] = []
events.subscribe((event) => seen.push(event))
const parts = {
  store,
  events,
  log: createLogger('fatal'),
  locks: new Locks(),
  trashLimits: { age: 1000, space: 0 },
  volumeDriver: () => driver,
} as unknown as Parts

function put(name: string, change: Partial<VolumeRecord> = {}): void {
  store.volumes.put(name, {
    ...{ id: newId(), name, driver: 'plain', options: {}, labels: {}, createdAt: '', anonymous: true },
    ...{ mountpoint: '', protected: false, origin: null, ...change },
  })
}
const change = (name: string, changed: Partial<VolumeRecord>): void =>
  store.volumes.put(name, { ...store.volumes.get(name)!, ...changed })

const all = { dryRun: false, now: false }
const names = (volumes: readonly { volume: VolumeRecord }[]): string[] =>
  volumes.map(({ volume }) => volume.name)

beforeEach(() => {
  for (const { name } of [...store.volumes.values()]) store.volumes.delete(name)
  for (const { id } of [...store.containers.values()]) store.containers.delete(id)
  for (const list of [seen, removed]) list.splice(0)
  meanwhile.clear()
})

describe('pruning volumes', () => {
  test('takes those that are selected, unprotected and unused, and tells what they took', async () => {
    for (const name of ['one', 'two', 'used', 'other']) put(name)
    put('safe', { protected: true })
    const container = plan({ mounts: [{ ...mountRequest, source: 'used' }] })
    store.containers.put(container.id, container)
    const pruned = await new VolumePruner(parts).prune(({ name }) => name !== 'other', all)
    expect(pruned.map(({ volume, size }) => [volume.name, size])).toEqual([
      ['one', 100],
      ['two', 100],
    ])
    expect(removed).toEqual(['one', 'two'])
    expect(seen.at(-1)).toMatchObject({ action: 'prune', attributes: { reclaimed: '200' } })
  })

  test('only tells in a dry run, also during another prune', async () => {
    put('one')
    expect(names(await new VolumePruner(parts).prune(() => true, { dryRun: true, now: true }))).toEqual([
      'one',
    ])
    expect([removed, seen]).toEqual([[], []])
  })

  test('leaves alone what changes while it is measured', async () => {
    for (const name of ['again', 'labelled', 'mounted', 'safe', 'gone', 'plain']) put(name)
    meanwhile.set('again', () => put('again'))
    meanwhile.set('labelled', () => change('labelled', { labels: { keep: '' } }))
    meanwhile.set('safe', () => change('safe', { protected: true }))
    meanwhile.set('gone', () => store.volumes.delete('gone'))
    meanwhile.set('mounted', () => {
      const container = plan({ mounts: [{ ...mountRequest, source: 'mounted' }] })
      store.containers.put(container.id, container)
    })
    const pruned = await new VolumePruner(parts).prune(({ labels }) => !('keep' in labels), all)
    expect(names(pruned)).toEqual(['plain'])
    expect([...store.volumes.values()].map(({ name }) => name).sort()).toEqual(
      ['again', 'labelled', 'mounted', 'safe'].sort(),
    )
  })

  test('goes on when one cannot be removed, and that one stays', async () => {
    for (const name of ['broken', 'whole']) put(name)
    expect(names(await new VolumePruner(parts).prune(() => true, all))).toEqual(['whole'])
    expect(store.volumes.has('broken')).toBe(true)
    expect(store.journal.entries()).toEqual([])
  })

  test('is refused while another prune is under way', async () => {
    put('one')
    const pruner = new VolumePruner(parts)
    const first = pruner.prune(() => true, all)
    await expect(pruner.prune(() => true, all)).rejects.toThrow(TsnetError)
    expect(names(await first)).toEqual(['one'])
  })
})

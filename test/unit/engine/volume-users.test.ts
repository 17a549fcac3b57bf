import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { volumeUsers } from '../../../src/engine/volume-users.ts'
import type { ContainerRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import type { ContainerId } from '../../../src/values/id.ts'
import { mountRequest, plan } from './samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-users-'))
const store = openStore(join(directory, 'state.db'))
afterAll(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

function containerWith(id: string, ...volumes: string[]): ContainerRecord {
  const mounts = volumes.map((source, index) => ({ ...mountRequest, source, target: `/${index}` }))
  return { ...plan({ mounts }), id: id as ContainerId }
}

const users = (name: string): string[] => (volumeUsers({ store }).get(name) ?? []).map(({ id }) => id)

test('users of volumes are the containers that mount them, each once, as the records are now', () => {
  expect(users('data')).toEqual([])
  store.containers.put('one', containerWith('one', 'data', 'data', 'other'))
  store.containers.put('two', containerWith('two', 'data'))
  expect(users('data')).toEqual(['one', 'two'])
  expect(users('other')).toEqual(['one'])
  store.containers.delete('one')
  expect(users('data')).toEqual(['two'])
  expect(users('other')).toEqual([])
  const failed = (): void =>
    store.transaction(() => {
      store.containers.delete('two')
      expect(users('data')).toEqual([])
      throw new Error('no')
    })
  expect(failed).toThrow('no')
  expect(users('data')).toEqual(['two'])
})

test('binds and tmpfs have no volume, whatever they are called', () => {
  const bind = { ...mountRequest, type: 'bind' as const, source: '/data', target: '/b' }
  store.containers.put('three', { ...plan({ mounts: [bind] }), id: 'three' as ContainerId })
  expect(users('')).toEqual([])
  expect(users('/data')).toEqual([])
})

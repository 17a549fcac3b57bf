import { describe, expect, test } from 'vitest'
import { takeMounts } from '../../../src/engine/volumes-from.ts'
import type { ContainerRecord, MountPoint } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import type { ContainerId, ImageId } from '../../../src/values/id.ts'
import { mountRequest, plan } from './samples.ts'

function container(digit: string, name: string, mounts: readonly MountPoint[]): ContainerRecord {
  return { ...plan(), id: digit.repeat(64) as ContainerId, name, mounts }
}

function point(target: string, change: Partial<MountPoint> = {}): MountPoint {
  const [mount] = plan({ mounts: [{ ...mountRequest, target }] }).mounts
  return { ...mount!, ...change }
}

const { image } = plan()
const otherImage = `sha256:${'0'.repeat(64)}` as ImageId

function take(
  entries: readonly string[],
  containers: readonly ContainerRecord[],
  by = otherImage,
): readonly MountPoint[] {
  using store = openStore(':memory:')
  for (const each of containers) store.containers.put(each.id, each)
  return takeMounts(store.containers, entries, by)
}

const one = container('1', 'one', [
  point('/a', { name: 'a1' }),
  point('/b', { name: 'b1', readOnly: true, mode: 'ro,Z', own: '1:1', idmap: 'uid:1:0:1' }),
])
const two = container('2', 'two', [point('/a', { name: 'a2' }), point('/t', { type: 'tmpfs', name: '' })])

describe('the mounts that --volumes-from takes', () => {
  test('are those of the container but its tmpfs, as they are there', () => {
    expect(take(['one'], [one, two])).toEqual([
      point('/a', { name: 'a1', noCopy: true, syntax: 'volumes-from' }),
      point('/b', { name: 'b1', readOnly: true, idmap: 'uid:1:0:1', noCopy: true, syntax: 'volumes-from' }),
    ])
    expect(take(['22222222'], [one, two]).map(({ target }) => target)).toEqual(['/a'])
  })

  test('of a container that never ran are filled by one of the same image, unless that is not wanted', () => {
    const source = container('3', 'three', [point('/a', { name: 'a3' }), point('/b', { noCopy: true })])
    expect(take(['three'], [source], image).map(({ noCopy }) => noCopy)).toEqual([false, true])
    expect(take(['three'], [source]).map(({ noCopy }) => noCopy)).toEqual([true, true])
    const started = { ...source, state: { ...source.state, startedAt: '2026-01-01T00:00:00Z' } }
    expect(take(['three'], [started], image).map(({ noCopy }) => noCopy)).toEqual([true, true])
  })

  test('of a later container win', () => {
    const names = (entries: string[]) => take(entries, [one, two]).map(({ name }) => name)
    expect(names(['one', 'two'])).toEqual(['a2', 'b1'])
    expect(names(['two', 'one'])).toEqual(['a1', 'b1'])
  })

  test.each([
    ['one:ro', [true, true]],
    ['one:z,ro', [true, true]],
    ['one:rw', [false, true]],
    ['one:Z', [false, true]],
    ['one:', [false, true]],
  ])('of %s are read-only or not: %j', (entry, readOnly) => {
    expect(take([entry], [one]).map((mount) => mount.readOnly)).toEqual(readOnly)
  })

  test.each([
    ['', 'invalid', 'volumes-from specification cannot be an empty string'],
    ['one:bad', 'invalid', 'invalid mode: bad'],
    ['one:rshared', 'invalid', 'invalid mode: rshared'],
    ['one:nocopy', 'invalid', 'invalid mode: nocopy'],
    ['one:own=1:1', 'invalid', 'invalid mode: own=1:1'],
    ['one:ro:x', 'invalid', 'invalid mode: ro:x'],
    ['one:ro,rw', 'invalid', 'invalid mode: ro,rw'],
    ['missing', 'not-found', 'No such container: missing'],
    [':ro', 'invalid', 'invalid volumes-from specification: :ro: it names no container'],
  ])('of %j are refused', (entry, kind, message) => {
    expect(() => take([entry], [one])).toThrow(expect.objectContaining({ kind, message }))
  })
})

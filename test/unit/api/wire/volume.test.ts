import { describe, expect, test } from 'vitest'
import { parseFilters } from '../../../../src/api/filters.ts'
import { selectVolumes, toVolumeSpec, volumeFilters } from '../../../../src/api/wire/volume.ts'
import type { VolumeRecord } from '../../../../src/store/records.ts'
import { newId } from '../../../../src/values/id.ts'

test('a body with nothing asks for an anonymous local volume', () => {
  expect(toVolumeSpec({})).toEqual({ name: '', driver: '', options: {}, labels: {} })
})

test('a cluster volume is not supported', () => {
  expect(() => toVolumeSpec({ ClusterVolumeSpec: {} })).toThrow(
    expect.objectContaining({ kind: 'unsupported' }),
  )
  expect(() => toVolumeSpec({ ClusterVolumeSpec: null })).not.toThrow()
})

describe('a list', () => {
  const base: VolumeRecord = {
    name: 'data',
    driver: 'local',
    options: {},
    labels: { a: '1' },
    createdAt: '',
    anonymous: false,
    id: newId(),
    protected: false,
    origin: null,
    mountpoint: '',
  }
  const other: VolumeRecord = { ...base, name: 'other', driver: 'nfs', labels: {} }

  test.each([
    [{}, ['data', 'other']],
    [{ name: ['dat'] }, ['data']],
    [{ driver: ['nfs'] }, ['other']],
    [{ label: ['a'] }, ['data']],
    [{ dangling: ['true'] }, ['other']],
    [{ dangling: ['false'] }, ['data']],
  ])('filtered by %j is of %j', (value, names) => {
    const filters = parseFilters({ filters: JSON.stringify(value) }, volumeFilters)
    const selected = selectVolumes([base, other], filters, ({ name }) => name === 'data')
    expect(selected.map(({ name }) => name)).toEqual(names)
  })
})

import { describe, expect, test } from 'vitest'
import { parseFilters } from '../../../../src/api/filters.ts'
import { imageFilters, selectImages, toImageHistory, toImageInspect } from '../../../../src/api/wire/image.ts'
import type { ImageRecord } from '../../../../src/store/records.ts'
import { demoImage } from '../memory-engine.ts'

const old: ImageRecord = {
  ...demoImage,
  id: 'sha256:old' as ImageRecord['id'],
  tags: ['localhost:5000/team/tool:v1'],
  createdAt: '2020-01-01T00:00:00Z',
  config: { ...demoImage.config, labels: {} },
}
const untagged: ImageRecord = {
  ...old,
  id: 'sha256:none' as ImageRecord['id'],
  tags: [],
  createdAt: '2021-01-01T00:00:00Z',
}

describe('a list', () => {
  const ids: Record<string, string> = { [demoImage.id]: 'demo', [old.id]: 'old', [untagged.id]: 'untagged' }

  test.each([
    [{}, ['demo', 'untagged', 'old']],
    [{ dangling: ['true'] }, ['untagged']],
    [{ dangling: ['false'] }, ['demo', 'old']],
    [{ label: ['maker=demo'] }, ['demo']],
    [{ reference: ['demo'] }, ['demo']],
    [{ reference: ['demo:1'] }, ['demo']],
    [{ reference: ['demo:2'] }, []],
    [{ reference: ['d*:l?test'] }, ['demo']],
    [{ reference: ['*'] }, ['demo']],
    [{ reference: ['localhost:5000/*/tool'] }, ['old']],
    [{ reference: ['[de]emo'] }, ['demo']],
    [{ reference: ['d[emo'] }, []],
    [{ before: ['demo'] }, ['untagged', 'old']],
    [{ since: ['old'] }, ['demo', 'untagged']],
    [{ until: ['2020-06-01T00:00:00Z'] }, ['old']],
    [{ until: ['1590969600'] }, ['old']],
  ])('filtered by %j is of %j', (value, names) => {
    const filters = parseFilters({ filters: JSON.stringify(value) }, imageFilters)
    const find = (ref: string): ImageRecord => (ref === 'demo' ? demoImage : old)
    expect(selectImages([old, demoImage, untagged], filters, find).map(({ id }) => ids[id])).toEqual(names)
  })
})

test('a list for a reference tells only the names that match', () => {
  const other = `demo@sha256:${'0'.repeat(64)}`
  const image = { ...demoImage, tags: ['demo:1', 'demo:2', 'x/demo:1'], digests: [other] }
  const select = (reference: string) =>
    selectImages(
      [image],
      parseFilters({ filters: JSON.stringify({ reference: [reference] }) }, imageFilters),
      () => image,
    ).flatMap(({ tags, digests }) => [...tags, ...digests])
  expect(select('demo:1')).toEqual(['demo:1'])
  expect(select('demo')).toEqual(['demo:1', 'demo:2', other])
  expect(select('*/demo')).toEqual(['x/demo:1'])
})

describe('inspect', () => {
  const document = { config: { Env: ['A=1'] }, variant: 'v8', docker_version: '19' }

  test('joins the record with the document of the image', () => {
    expect(toImageInspect(demoImage, document, { apiVersion: 50, dataRoot: '/root' })).toEqual({
      Id: demoImage.id,
      RepoTags: demoImage.tags,
      RepoDigests: [],
      Parent: '',
      Comment: '',
      Created: '2026-01-02T03:04:05Z',
      DockerVersion: '19',
      Author: 'somebody',
      Config: { Env: ['A=1'] },
      Architecture: 'amd64',
      Variant: 'v8',
      Os: 'linux',
      Size: 12345,
      GraphDriver: {
        Name: 'overlay2',
        Data: { LowerDir: '/root/layers/bottom', UpperDir: '/root/layers/top' },
      },
      RootFS: { Type: 'layers', Layers: demoImage.diffIds },
      Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    })
  })

  test('gives old clients the size by its old name, too', () => {
    expect(toImageInspect(demoImage, document, { apiVersion: 43, dataRoot: '/root' }).VirtualSize).toBe(12345)
  })
})

describe('history', () => {
  test('may be missing', () => {
    expect(toImageHistory(demoImage, {})).toEqual([])
  })

  test('tells the size of a layer where it is known', () => {
    const document = { history: [{ created_by: 'COPY' }, { created_by: 'CMD', empty_layer: true }] }
    expect(toImageHistory(demoImage, document).map(({ Size }) => Size)).toEqual([0, -1])
    expect(toImageHistory({ ...demoImage, layers: ['one'] }, document).map(({ Size }) => Size)).toEqual([
      0, 12345,
    ])
  })
})

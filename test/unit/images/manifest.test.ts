import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Digest } from '../../../src/images/digest.ts'
import {
  chainIds,
  isIndex,
  mediaTypes,
  parseConfig,
  parseManifest,
  runtimeConfig,
} from '../../../src/images/manifest.ts'

const a: Digest = `sha256:${'a'.repeat(64)}`
const b: Digest = `sha256:${'b'.repeat(64)}`
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

test('chains each layer to those below it', () => {
  const second = `sha256:${createHash('sha256').update(`${a} ${b}`).digest('hex')}`
  expect(chainIds([a, b])).toEqual([a, second])
  expect(chainIds([])).toEqual([])
})

test('says where a manifest is malformed', () => {
  const config = { mediaType: mediaTypes.ociConfig, digest: a, size: 1 }
  expect(() =>
    parseManifest(json({ config, layers: [{ mediaType: 'x', digest: 'sha256:zz', size: 1 }] })),
  ).toThrow(/image manifest is malformed: \/layers\/0\/digest/)
  expect(() => parseManifest(json({ config, layers: [{ mediaType: 'x', digest: b, size: -1 }] }))).toThrow(
    /\/layers\/0\/size/,
  )
  expect(() => parseManifest(Buffer.from('<html>'))).toThrow('image manifest is not JSON')
})

test('knows an index by its type, and by its shape where the type says nothing', () => {
  expect(isIndex(mediaTypes.dockerIndex, json({}))).toBe(true)
  expect(isIndex(mediaTypes.ociManifest, json({ manifests: [] }))).toBe(false)
  expect(isIndex('application/json', json({ manifests: [] }))).toBe(true)
  expect(isIndex('', json({ layers: [] }))).toBe(false)
})

test('reads nulls and missing fields of a config as empty', () => {
  const config = parseConfig(
    json({ rootfs: { type: 'layers', diff_ids: null }, config: { Env: null, Cmd: null } }),
  )
  expect(runtimeConfig(config)).toEqual({
    env: [],
    entrypoint: null,
    command: null,
    workingDir: '',
    user: '',
    exposedPorts: [],
    volumes: [],
    labels: {},
    stopSignal: '',
    argsEscaped: false,
  })
})

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/images/digest.ts'
import { mediaTypes } from '../../../src/images/manifest.ts'
import { hostPlatform } from '../../../src/images/platform.ts'
import { ImageLab, makeImage, makeIndex, nothing, RealRegistry, tarOf } from './lab.ts'

const registry = new RealRegistry()
beforeAll(() => registry.start())
afterAll(() => registry[Symbol.asyncDispose]())

let lab: ImageLab
beforeEach(() => {
  lab = new ImageLab()
})
afterEach(() => lab[Symbol.dispose]())

const statuses = (): string[] => lab.progress.map(({ status }) => status)

describe('an image in a registry', () => {
  test.each([
    ['plain', (tar: Buffer) => tar],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('with %s layers is pulled, and its record tells what the config says', async (name, compress) => {
    const below = await tarOf({ 'etc/one': 'below', gone: 'x' })
    const above = await tarOf({ 'etc/two': 'above', '.wh.gone': '' })
    const image = makeImage([below, above], { compress, docker: name === 'gzip' })
    await registry.push(`layers/${name}`, '1', image)
    const ref = `${registry.host}/layers/${name}:1`
    await lab.pull(ref)
    const record = lab.images.get(ref)
    expect(record).toMatchObject({
      id: digestOf(image.config),
      tags: [ref],
      digests: [`${registry.host}/layers/${name}@${digestOf(image.manifest)}`],
      createdAt: '2024-01-02T03:04:05Z',
      architecture: 'amd64',
      os: 'linux',
      diffIds: [digestOf(below), digestOf(above)],
      manifest: digestOf(image.manifest),
      size: 11,
      config: { command: ['/bin/true'], env: ['A=1'] },
    })
    expect(readFileSync(lab.layerPath(ref, 0, 'etc/one'), 'utf8')).toBe('below')
    expect(readFileSync(lab.layerPath(ref, 1, 'etc/two'), 'utf8')).toBe('above')
    expect(lstatSync(lab.layerPath(ref, 1, 'gone')).isCharacterDevice()).toBe(true)
    expect(await lab.images.config(record.id)).toEqual(JSON.parse(image.config.toString()))
    expect(lab.events).toEqual([`pull ${record.id}`])
  })

  test('that skopeo has put there is pulled in both manifest formats', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-skopeo-'))
    try {
      const source = new ImageLab()
      await source.images.ensureBuiltin('tsnet/hello')
      writeFileSync(join(directory, 'hello.tar'), await source.save('tsnet/hello'))
      source[Symbol.dispose]()
      for (const format of ['v2s2', 'oci']) {
        const from = `docker-archive:${directory}/hello.tar:tsnet/hello:latest`
        const to = `docker://${registry.host}/skopeo/${format}`
        const options = ['copy', '-q', '--dest-tls-verify=false', '--format', format, from, to]
        execFileSync('skopeo', options, { stdio: 'ignore' })
        await lab.pull(`${registry.host}/skopeo/${format}`)
        const path = lab.layerPath(`${registry.host}/skopeo/${format}:latest`, 0, 'bin/busybox')
        expect(readFileSync(path).equals(readFileSync('/bin/busybox'))).toBe(true)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('reports its way in the words of Docker', async () => {
    const layers = [await tarOf({ a: 'a' }), await tarOf({ b: 'b' })]
    await registry.push('words', 'v1', makeImage(layers))
    const ref = `${registry.host}/words:v1`
    await lab.pull(ref)
    expect(lab.progress[0]).toEqual({ id: 'v1', status: 'Pulling from words', current: 0, total: 0 })
    for (const [index, layer] of layers.entries()) {
      const own = lab.progress.filter(({ id }) => id === digestOf(layer).slice(7, 19))
      const order = own.map(({ status }) => status)
      expect([...new Set(order)], `layer ${index}`).toEqual([
        'Pulling fs layer',
        'Downloading',
        'Download complete',
        'Extracting',
        'Pull complete',
      ])
      expect(own.findLast(({ status }) => status === 'Downloading')).toMatchObject({
        current: layer.length,
        total: layer.length,
      })
    }
    expect(statuses().slice(-2)).toEqual([
      `Digest: ${digestOf(makeImage(layers).manifest)}`,
      `Status: Downloaded newer image for ${ref}`,
    ])
    lab.progress.length = 0
    await lab.pull(ref)
    expect(statuses().at(-1)).toBe(`Status: Image is up to date for ${ref}`)
    expect(statuses().filter((status) => status === 'Downloading' || status === 'Extracting')).toEqual([])
  })

  test('is found by each of its names and no other', async () => {
    const image = makeImage([await tarOf({ a: 'names' })])
    await registry.push('find/me', 'v1', image)
    await lab.pull(`${registry.host}/find/me:v1`)
    const id = digestOf(image.config)
    const digest = digestOf(image.manifest)
    for (const ref of [
      `${registry.host}/find/me:v1`,
      `${registry.host}/find/me@${digest}`,
      `${registry.host}/find/me:v1@${digest}`,
      id,
      id.slice(7),
      id.slice(7, 19),
      id.slice(0, 20),
    ]) {
      expect(lab.images.get(ref).id, ref).toBe(id)
    }
    const name = `${registry.host}/find/me`
    expect(() => lab.images.get(name)).toThrow(`No such image: ${name}:latest`)
    expect(() => lab.images.get('find/me:v1')).toThrow('No such image: find/me:v1')
    expect(() => lab.images.get(`sha256:${'0'.repeat(64)}`)).toThrow(
      `No such image: sha256:${'0'.repeat(64)}`,
    )
  })

  test('pulled by digest gets no tag, and moving a tag leaves the old image without one', async () => {
    const [one, two] = [makeImage([await tarOf({ a: '1' })]), makeImage([await tarOf({ a: '2' })])]
    await registry.push('move', 'latest', one)
    await lab.pull(`${registry.host}/move@${digestOf(one.manifest)}`)
    expect(lab.images.get(digestOf(one.config)).tags).toEqual([])
    await lab.pull(`${registry.host}/move`)
    expect(lab.images.get(`${registry.host}/move`).id).toBe(digestOf(one.config))
    await registry.push('move', 'latest', two)
    await lab.pull(`${registry.host}/move`)
    expect(lab.images.get(`${registry.host}/move`).id).toBe(digestOf(two.config))
    expect(lab.images.get(digestOf(one.config)).tags).toEqual([])
  })

  test('shares its layers with others: a common one is neither downloaded nor extracted again', async () => {
    const base = await tarOf({ base: randomBytes(1000).toString('hex') })
    await registry.push('share', 'a', makeImage([base, await tarOf({ a: 'a' })]))
    await registry.push('share', 'b', makeImage([base, await tarOf({ b: 'b' })]))
    await lab.pull(`${registry.host}/share:a`)
    const before = lstatSync(lab.layerPath(`${registry.host}/share:a`, 0)).ino
    lab.progress.length = 0
    await lab.pull(`${registry.host}/share:b`)
    const lines = lab.progress
      .filter(({ id }) => id === digestOf(base).slice(7, 19))
      .map(({ status }) => status)
    expect(lines).toEqual(['Pulling fs layer', 'Already exists'])
    expect(lstatSync(lab.layerPath(`${registry.host}/share:b`, 0)).ino).toBe(before)
  })

  test('pulled by several at once is downloaded once, and all of them succeed', async () => {
    const image = makeImage([await tarOf({ large: randomBytes(1 << 20).toString('hex') })])
    await registry.push('crowd', 'latest', image)
    await Promise.all(Array.from({ length: 5 }, () => lab.pull(`${registry.host}/crowd`)))
    expect(lab.progress.filter(({ status }) => status === 'Pull complete')).toHaveLength(1)
    expect(lab.onDisk().layers).toHaveLength(1)
  })
})

describe('an index', () => {
  const own = hostPlatform().architecture
  const other = own === 'arm64' ? 'amd64' : 'arm64'

  async function pushIndex(repository: string, architectures: readonly string[]): Promise<void> {
    const images = await Promise.all(
      architectures.map(async (architecture) => ({
        architecture,
        image: makeImage([await tarOf({ arch: architecture })], { architecture }),
      })),
    )
    for (const { image, architecture } of images) await registry.push(repository, architecture, image)
    await registry.putManifest(repository, 'latest', makeIndex(images), mediaTypes.ociIndex)
  }

  test('gives the image for this machine, or for the platform that is asked for', async () => {
    await pushIndex('multi', ['s390x', other, own])
    const ref = `${registry.host}/multi`
    await lab.pull(ref)
    expect(readFileSync(lab.layerPath(ref, 0, 'arch'), 'utf8')).toBe(own)
    await lab.pull(ref, { platform: `linux/${other}` })
    expect(readFileSync(lab.layerPath(ref, 0, 'arch'), 'utf8')).toBe(other)
    const digests = lab.images.list().map((image) => [image.architecture, image.digests.length])
    // The index's digest is a name like any other: it stands for what was pulled last.
    expect(Object.fromEntries(digests)).toEqual({ [own]: 0, [other]: 1 })
  })

  test('without the platform is refused by its name', async () => {
    await pushIndex('foreign', ['s390x'])
    await expect(lab.pull(`${registry.host}/foreign`)).rejects.toMatchObject({
      kind: 'not-found',
      message: `no matching manifest for linux/${own} in the manifest list entries of ${registry.host}/foreign:latest`,
    })
  })

  test('is not needed to refuse a single image of another platform', async () => {
    await registry.push('single', 'latest', makeImage([await tarOf({ a: 'single' })]))
    await expect(lab.pull(`${registry.host}/single`, { platform: 'linux/riscv64' })).rejects.toThrow(
      'does not match the specified platform: wanted linux/riscv64, actual: linux/amd64',
    )
    expect(lab.onDisk()).toEqual(nothing)
  })
})

describe('a pull fails in the words of Docker', () => {
  test('when there is no such tag', async () => {
    await registry.push('present', 'here', makeImage([await tarOf({ a: 'here' })]))
    await expect(lab.pull(`${registry.host}/present:missing`)).rejects.toMatchObject({
      kind: 'not-found',
      message: `manifest for ${registry.host}/present:missing not found: manifest unknown: manifest unknown`,
    })
  })

  test('when nobody listens', async () => {
    await expect(lab.pull('127.0.0.1:1/x')).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    })
  })

  test('when the name has no address', async () => {
    await expect(lab.pull('registry.invalid/x')).rejects.toThrow(
      /^Get "https:\/\/registry\.invalid\/v2\/": dial tcp: lookup registry\.invalid: /,
    )
  })

  test('when the name is no reference', async () => {
    await expect(lab.pull('a b')).rejects.toThrow(/^invalid reference format$/)
  })
})

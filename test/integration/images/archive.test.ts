import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/images/digest.ts'
import { blobName, eventually, ImageLab, makeImage, nothing, RealRegistry, tarOf } from './lab.ts'

let lab: ImageLab
let other: ImageLab
let directory: string
beforeEach(() => {
  lab = new ImageLab()
  other = new ImageLab()
  directory = mkdtempSync(join(tmpdir(), 'tsnet-archive-'))
})
afterEach(() => {
  lab[Symbol.dispose]()
  other[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

async function importInto(
  target: ImageLab,
  ref: string,
  archive: Buffer,
  changes: string[] = [],
): Promise<string> {
  const options = { ref, message: '', changes, platform: '' }
  return target.images.import(Readable.from([archive], { objectMode: false }), options)
}

/** Names and contents of an archive's files. */
function filesOf(archive: Buffer): ReadonlyMap<string, Buffer> {
  const target = mkdtempSync(join(directory, 'files-'))
  execFileSync('tar', ['-x', '-C', target], { input: archive })
  const names = execFileSync('find', [target, '-type', 'f', '-printf', '%P\\n'], { encoding: 'utf8' })
  return new Map(
    names
      .trim()
      .split('\n')
      .map((name) => [name, readFileSync(join(target, name))]),
  )
}

describe('what is saved', () => {
  test('is loaded with the same ids, manifests, names and blobs', async () => {
    const ids = [
      await importInto(lab, 'one/a:1', await tarOf({ one: '1' })),
      await importInto(lab, 'two:x', gzipSync(await tarOf({ two: '2' }))),
      await importInto(lab, '', zstdCompressSync(await tarOf({ three: '3' }))),
    ]
    await lab.images.tag('one/a:1', 'localhost:5000/other')
    const archive = await lab.save('one/a:1', 'localhost:5000/other', 'two:x', ids[2]!)
    const loaded = await other.load(archive)
    expect(loaded.toSorted()).toEqual(['localhost:5000/other:latest', 'one/a:1', ids[2], 'two:x'].toSorted())
    for (const id of ids) {
      const [before, after] = [lab.images.get(id), other.images.get(id)]
      expect({ ...after, tags: after.tags.toSorted() }).toEqual({ ...before, tags: before.tags.toSorted() })
    }
    expect(other.onDisk()).toEqual(lab.onDisk())
    expect(other.events).toEqual(ids.map((id) => `load ${id}`))
    // Saved again, it is the same archive.
    expect(digestOf(await other.save('one/a:1', 'localhost:5000/other', 'two:x', ids[2]!))).toBe(
      digestOf(archive),
    )
  })

  test('keeps the digests that a registry knows', async () => {
    await using registry = new RealRegistry()
    await registry.start()
    const image = makeImage([await tarOf({ kept: 'as it is' })], { compress: gzipSync, docker: true })
    await registry.push('kept', 'v1', image)
    await lab.pull(`${registry.host}/kept:v1`)
    const files = filesOf(await lab.save(`${registry.host}/kept:v1`))
    for (const bytes of [image.manifest, image.config, ...image.layers]) {
      expect(files.get(`blobs/sha256/${blobName(bytes)}`)?.equals(bytes)).toBe(true)
    }
    const index = JSON.parse(files.get('index.json')?.toString() ?? '') as { manifests: unknown[] }
    expect(index.manifests).toEqual([
      {
        mediaType: image.mediaType,
        digest: digestOf(image.manifest),
        size: image.manifest.length,
        annotations: {
          'io.containerd.image.name': `${registry.host}/kept:v1`,
          'org.opencontainers.image.ref.name': 'v1',
        },
      },
    ])
  })

  test('by a bare name is all tags of the repository, and by an id is without a name', async () => {
    const id = await importInto(lab, 'app:1', await tarOf({ a: 'a' }))
    await importInto(lab, 'app:2', await tarOf({ b: 'b' }))
    await lab.images.tag('app:1', 'app/other:1')
    const tagsOf = (archive: Buffer): unknown =>
      (JSON.parse(filesOf(archive).get('manifest.json')?.toString() ?? '') as { RepoTags: unknown }[]).map(
        (entry) => entry.RepoTags,
      )
    expect(tagsOf(await lab.save('app'))).toEqual([['app:1'], ['app:2']])
    expect(tagsOf(await lab.save('app:2'))).toEqual([['app:2']])
    expect(tagsOf(await lab.save(id))).toEqual([null])
  })

  test('must be there', async () => {
    await importInto(lab, 'here', await tarOf({ a: 'a' }))
    await expect(lab.images.save(['here', 'gone'])).rejects.toThrow('No such image: gone:latest')
  })

  test('may be given up by its reader, whose error is nobody else’s', async () => {
    await importInto(lab, 'big', await tarOf({ a: randomBytes(5 << 20).toString('hex') }))
    let read = 0
    for await (const bytes of (await lab.images.save(['big'])) as AsyncIterable<Buffer>) {
      read += bytes.length
      if (read > 1 << 20) break
    }
    // What nobody hears of ends a daemon; here it fails the run.
    await lab.images.remove('big', { force: false, prune: true })
    await eventually(() => expect(lab.onDisk()).toEqual(nothing))
  })

  test('may be left half read, and the images go on', async () => {
    await importInto(lab, 'big', await tarOf({ a: 'x'.repeat(5 << 20) }))
    const stream = await lab.images.save(['big'])
    await once(stream, 'readable')
    stream.destroy()
    await once(stream, 'close')
    await lab.images.remove('big', { force: false, prune: true })
    await eventually(() => expect(lab.onDisk()).toEqual(nothing))
  })
})

describe('an archive of skopeo’s', () => {
  test.each(['docker-archive', 'oci-archive'])('of the kind %s is loaded', async (kind) => {
    const id = await importInto(lab, 'from/here:1', await tarOf({ a: 'skopeo' }), ['CMD ["a"]'])
    const [source, target] = [join(directory, 'source.tar'), join(directory, 'target.tar')]
    writeFileSync(source, await lab.save('from/here:1'))
    const name = kind === 'oci-archive' ? `${target}:docker.io/to/there:2` : `${target}:to/there:2`
    execFileSync('skopeo', ['copy', '-q', `docker-archive:${source}`, `${kind}:${name}`])
    expect(await other.load(readFileSync(target))).toEqual(['to/there:2'])
    const record = other.images.get('to/there:2')
    expect(record.diffIds).toEqual(lab.images.get(id).diffIds)
    expect(record.config.command).toEqual(['a'])
    expect(readFileSync(other.layerPath('to/there:2', 0, 'a'), 'utf8')).toBe('skopeo')
  })

  test('in OCI layout is read by skopeo when tsnet has written it', async () => {
    await importInto(lab, 'oci/out:1', gzipSync(await tarOf({ a: 'a' })))
    const path = join(directory, 'out.tar')
    writeFileSync(path, await lab.save('oci/out:1'))
    const output = execFileSync('skopeo', ['inspect', '--raw', `oci-archive:${path}:1`])
    expect(digestOf(output)).toBe(lab.images.get('oci/out:1').manifest)
  })
})

describe('an archive in Docker’s old layout', () => {
  async function oldLayout(): Promise<{ path: string; id: string }> {
    const [below, above] = [await tarOf({ one: '1' }), await tarOf({ two: '2' })]
    const { config } = makeImage([below, above, below])
    const path = join(directory, 'old')
    for (const [name, layer] of Object.entries({ aaa: below, bbb: above })) {
      mkdirSync(join(path, name), { recursive: true })
      writeFileSync(join(path, name, 'VERSION'), '1.0')
      writeFileSync(join(path, name, 'layer.tar'), layer)
    }
    // Equal layers are links to one another.
    mkdirSync(join(path, 'ccc'))
    symlinkSync('../aaa/layer.tar', join(path, 'ccc/layer.tar'))
    writeFileSync(join(path, 'config.json'), config)
    const Layers = ['aaa/layer.tar', 'bbb/layer.tar', 'ccc/layer.tar']
    const manifest = [{ Config: 'config.json', RepoTags: ['old/one:1', 'old/one:latest'], Layers }]
    writeFileSync(join(path, 'manifest.json'), JSON.stringify(manifest))
    return { path, id: digestOf(config) }
  }

  test.each([
    ['plain', (tar: Buffer) => tar],
    ['compressed by gzip', gzipSync],
    ['compressed by zstd', zstdCompressSync],
  ])('is loaded when it is %s', async (_name, compress) => {
    const { path, id } = await oldLayout()
    const archive = execFileSync('tar', ['-c', '-C', path, '.'])
    expect(await lab.load(compress(archive))).toEqual(['old/one:1', 'old/one:latest'])
    expect(lab.images.get('old/one').id).toBe(id)
    expect(lab.images.get('old/one').layers).toHaveLength(3)
    expect(readFileSync(lab.layerPath('old/one', 2, 'one'), 'utf8')).toBe('1')
    // What it was packed in is not kept: two layers, the config and a manifest are.
    expect(lab.onDisk().blobs).toHaveLength(4)
  })

  test('that lacks a layer is refused, and nothing is left', async () => {
    const { path } = await oldLayout()
    renameSync(join(path, 'bbb/layer.tar'), join(path, 'bbb/lost.tar'))
    await expect(lab.load(execFileSync('tar', ['-c', '-C', path, '.']))).rejects.toThrow(
      'archive lacks bbb/layer.tar',
    )
    expect(lab.onDisk()).toEqual(nothing)
    expect(lab.images.list()).toEqual([])
  })

  test('whose layer is not what the config says is refused, and nothing is left', async () => {
    const { path } = await oldLayout()
    writeFileSync(join(path, 'bbb/layer.tar'), await tarOf({ two: 'changed' }))
    await expect(lab.load(execFileSync('tar', ['-c', '-C', path, '.']))).rejects.toThrow(
      "layers from manifest don't match image configuration",
    )
    expect(lab.onDisk()).toEqual(nothing)
  })
})

describe('what is no image archive', () => {
  test.each([
    ['some tar', () => tarOf({ file: 'x' }), /neither manifest.json nor index.json/],
    ['nothing', async () => Buffer.alloc(0), /empty or cut short/],
    ['noise', async () => Buffer.alloc(2000, 'noise'), /tar/],
    ['a broken manifest', () => tarOf({ 'manifest.json': '{"a":1}' }), /malformed manifest.json/],
    ['no JSON', () => tarOf({ 'manifest.json': '<html>' }), /manifest.json/],
    ['an empty list', () => tarOf({ 'manifest.json': '[]' }), /has no image in it/],
  ])('is refused, and nothing is left: %s', async (_name, make, message) => {
    await expect(lab.load(await make())).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(message),
    })
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('is refused when it is cut short', async () => {
    await importInto(other, 'cut', await tarOf({ a: 'x'.repeat(100_000) }))
    const archive = await other.save('cut')
    await expect(lab.load(archive.subarray(0, archive.length - 60_000))).rejects.toMatchObject({
      kind: 'invalid',
    })
    expect(lab.onDisk()).toEqual(nothing)
  })
})

test('an imported root becomes an image with what its changes say', async () => {
  const changes = ['CMD ["/run"]', 'ENV A=b', 'EXPOSE 80', 'VOLUME /v', 'USER 1:2', 'WORKDIR /w', 'LABEL l=m']
  const id = await importInto(lab, 'root:1', await tarOf({ run: '#!' }), changes)
  expect(lab.images.get('root:1')).toMatchObject({
    id,
    comment: 'Imported from -',
    os: 'linux',
    config: {
      command: ['/run'],
      env: ['A=b'],
      exposedPorts: ['80/tcp'],
      volumes: ['/v'],
      user: '1:2',
      workingDir: '/w',
      labels: { l: 'm' },
    },
  })
  expect(lab.events).toEqual([`import ${id}`])
  await expect(importInto(lab, 'x', await tarOf({}), ['RUN x'])).rejects.toThrow(
    'RUN is not a valid change command',
  )
})

test('dockerd loads what is saved under the same ids, and tsnet loads what dockerd saves', async () => {
  const socket = `unix://${join(directory, 'docker.sock')}`
  const options = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=overlay2']
  const roots = [
    `--data-root=${directory}/data`,
    `--exec-root=${directory}/exec`,
    `--pidfile=${directory}/pid`,
  ]
  const daemon = spawn('unshare', ['-n', '-m', 'dockerd', '-H', socket, ...roots, ...options], {
    stdio: 'ignore',
  })
  const docker = (...words: string[]): string =>
    execFileSync('docker', ['-H', socket, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    const names = ['plain:1', 'gz:1', 'zst:1']
    const compressions = [(tar: Buffer) => tar, gzipSync, zstdCompressSync]
    for (const [index, name] of names.entries()) {
      await importInto(lab, name, compressions[index]!(await tarOf({ name })), ['CMD ["x"]'])
    }
    writeFileSync(join(directory, 'saved.tar'), await lab.save(...names))
    await eventually(() => docker('version'))
    docker('load', '-i', join(directory, 'saved.tar'))
    const idOf = (name: string): string => docker('image', 'inspect', '-f', '{{.Id}}', name).trim()
    expect(names.map(idOf)).toEqual(names.map((name) => lab.images.get(name).id))
    docker('save', '-o', join(directory, 'back.tar'), ...names)
    expect((await other.load(readFileSync(join(directory, 'back.tar')))).toSorted()).toEqual(names.toSorted())
    expect(names.map((name) => other.images.get(name).id)).toEqual(names.map(idOf))
  } finally {
    daemon.kill()
    await once(daemon, 'exit')
  }
})

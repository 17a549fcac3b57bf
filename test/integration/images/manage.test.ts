import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isBuiltin } from '../../../src/images/builtin.ts'
import { createImages } from '../../../src/images/images.ts'
import { createLogger } from '../../../src/log.ts'
import type { ContainerRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import { ImageLab, makeImage, nothing, RealRegistry, tarOf } from './lab.ts'

let lab: ImageLab
beforeEach(() => {
  lab = new ImageLab()
})
afterEach(() => lab[Symbol.dispose]())

async function add(ref: string, content: string): Promise<string> {
  const archive = Readable.from([await tarOf({ file: content })], { objectMode: false })
  return lab.images.import(archive, { ref, message: '', changes: [], platform: '' })
}

/** A container as far as images are concerned. */
function use(image: string, status: 'running' | 'exited'): void {
  const id = 'c0ffee'.repeat(10)
  lab.containers.push({ id, image, state: { status } } as unknown as ContainerRecord)
}

const remove = (ref: string, force = false): ReturnType<ImageLab['images']['remove']> =>
  lab.images.remove(ref, { force, prune: true })

describe('remove', () => {
  test('by the last name takes the image with its layers and blobs', async () => {
    const id = await add('a:1', 'a')
    expect(await remove('a:1')).toEqual([{ untagged: 'a:1' }, { deleted: id }])
    expect(lab.onDisk()).toEqual(nothing)
    expect(lab.events).toEqual([`import ${id}`, `untag ${id}`, `delete ${id}`])
    await expect(remove('a:1')).rejects.toThrow('No such image: a:1')
  })

  test('by one of several names takes the name only', async () => {
    const id = await add('a:1', 'a')
    await lab.images.tag('a:1', 'b:2')
    expect(await remove('a:1')).toEqual([{ untagged: 'a:1' }])
    expect(lab.images.get(id).tags).toEqual(['b:2'])
    expect(lab.onDisk().layers).toHaveLength(1)
  })

  test('by id takes all names, but wants force when they are in several repositories', async () => {
    const id = await add('a:1', 'a')
    await lab.images.tag('a:1', 'b:2')
    await expect(remove(id)).rejects.toMatchObject({
      kind: 'conflict',
      message: `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    })
    expect(await remove(id.slice(7, 19), true)).toEqual([
      { untagged: 'a:1' },
      { untagged: 'b:2' },
      { deleted: id },
    ])
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('takes a repository’s digests with its last tag', async () => {
    await using registry = new RealRegistry()
    await registry.start()
    await registry.push('d', '1', makeImage([await tarOf({ a: 'a' })]))
    await lab.pull(`${registry.host}/d:1`)
    const { id, digests } = lab.images.get(`${registry.host}/d:1`)
    expect(await remove(`${registry.host}/d:1`)).toEqual([
      { untagged: `${registry.host}/d:1` },
      { untagged: digests[0] },
      { deleted: id },
    ])
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('of a name whose image a container uses wants force, in the words of Docker', async () => {
    const id = await add('used:1', 'a')
    use(id, 'exited')
    await expect(remove('used:1')).rejects.toMatchObject({
      kind: 'conflict',
      message: `conflict: unable to remove repository reference "used:1" (must force) - container c0ffeec0ffee is using its referenced image ${id.slice(7, 19)}`,
    })
    await expect(remove(id)).rejects.toThrow(
      `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is being used by stopped container c0ffeec0ffee`,
    )
    expect(lab.images.get('used:1').id).toBe(id)
  })

  test('never takes the layers from under a container, forced or not', async () => {
    const id = await add('used:1', 'a')
    use(id, 'running')
    await expect(remove(id, true)).rejects.toThrow(
      `(cannot be forced) - image is being used by running container c0ffeec0ffee`,
    )
    expect(await remove('used:1', true)).toEqual([{ untagged: 'used:1' }])
    expect(lab.images.get(id).tags).toEqual([])
    expect(lab.onDisk().layers).toHaveLength(1)
    lab.containers = []
    expect(await remove(id)).toEqual([{ deleted: id }])
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('keeps layers that another image shares, until that goes too', async () => {
    await using registry = new RealRegistry()
    await registry.start()
    const base = await tarOf({ base: 'base' })
    await registry.push('s', 'a', makeImage([base, await tarOf({ a: 'a' })]))
    await registry.push('s', 'b', makeImage([base, await tarOf({ b: 'b' })]))
    await lab.pull(`${registry.host}/s:a`)
    await lab.pull(`${registry.host}/s:b`)
    expect(lab.onDisk().layers).toHaveLength(3)
    await remove(`${registry.host}/s:a`)
    expect(lab.onDisk().layers).toHaveLength(2)
    expect(readFileSync(lab.layerPath(`${registry.host}/s:b`, 0, 'base'), 'utf8')).toBe('base')
    await remove(`${registry.host}/s:b`)
    expect(lab.onDisk()).toEqual(nothing)
  })
})

describe('tag', () => {
  test('moves a name from one image to another', async () => {
    const [one, two] = [await add('one', '1'), await add('two', '2')]
    await lab.images.tag('two', 'docker.io/library/one:latest')
    expect(lab.images.get('one').id).toBe(two)
    expect(lab.images.get(one).tags).toEqual([])
    expect(lab.images.get(two).tags).toEqual(['two:latest', 'one:latest'])
    expect(lab.events.at(-1)).toBe(`tag ${two}`)
  })

  test('refuses what cannot be a tag, and an image that is not there', async () => {
    await add('one', '1')
    await expect(lab.images.tag('one', 'Two')).rejects.toThrow('must be lowercase')
    await expect(lab.images.tag('one', `two@sha256:${'a'.repeat(64)}`)).rejects.toThrow(
      'refusing to create a tag with a digest reference',
    )
    await expect(lab.images.tag('none', 'two')).rejects.toThrow('No such image: none:latest')
  })
})

test('an id’s beginning finds nothing when it could be either of two', async () => {
  const ids: string[] = []
  while (new Set(ids.map((id) => id[7])).size === ids.length) ids.push(await add('', `${ids.length}`))
  const shared = ids.at(-1)![7]!
  expect(() => lab.images.get(shared)).toThrow(`No such image: ${shared}:latest`)
  expect(lab.images.get(ids[0]!.slice(7, 20)).id).toBe(ids[0])
})

test('sweep takes what a crash has left and leaves every image whole', async () => {
  const id = await add('kept', 'kept')
  const before = lab.onDisk()
  execFileSync('mkdir', [
    '-p',
    join(lab.dataRoot, 'layers/0123456789ab/etc'),
    join(lab.dataRoot, 'layers/.new-1/x'),
  ])
  writeFileSync(join(lab.dataRoot, 'images/tmp/half'), 'half')
  writeFileSync(join(lab.dataRoot, 'images/blobs/sha256', 'f'.repeat(64)), 'unknown')
  await lab.images.sweep()
  expect(lab.onDisk()).toEqual(before)
  expect(lab.images.get('kept').id).toBe(id)
})

test('a kill at any moment of load and remove leaves whole images and, after the sweep, nothing else', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`d/${index}`, `${index}`.repeat(2000)]),
  )
  const archive = Readable.from([await tarOf(files)], { objectMode: false })
  await lab.images.import(archive, { ref: 'victim:1', message: '', changes: [], platform: '' })
  const saved = join(lab.dataRoot, 'saved.tar')
  writeFileSync(saved, await lab.save('victim:1'))
  const dataRoot = join(lab.dataRoot, 'other')
  const source = join(import.meta.dirname, '../../../src')
  const program = `
    import { createReadStream } from 'node:fs'
    import { createImages } from '${source}/images/images.ts'
    import { openStore } from '${source}/store/store.ts'
    import { createLogger } from '${source}/log.ts'
    const store = openStore('${dataRoot}/state.db')
    const images = createImages({ store, dataRoot: '${dataRoot}', log: createLogger('silent'), usersOf: () => [] })
    console.log('ready')
    for (;;) {
      await images.load(createReadStream('${saved}'), () => {})
      await images.remove('victim:1', { force: true, prune: true })
    }
  `
  let leftovers = 0
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await delay(5 + round * 9)
    child.kill('SIGKILL')
    await once(child, 'exit')
    using store = openStore(join(dataRoot, 'state.db'))
    const layers = readdirSync(join(dataRoot, 'layers'))
    const temporary = readdirSync(join(dataRoot, 'images/tmp'))
    if (layers.some((name) => name.startsWith('.')) || temporary.length > 0) leftovers++
    // Before the sweep already, a layer that can be seen is whole.
    for (const name of layers.filter((layer) => !layer.startsWith('.'))) {
      expect(readdirSync(join(dataRoot, 'layers', name, 'd'))).toHaveLength(300)
    }
    const images = createImages({ store, dataRoot, log: createLogger('silent'), usersOf: () => [] })
    await images.sweep()
    const records = images.list()
    expect(readdirSync(join(dataRoot, 'layers')).toSorted()).toEqual(
      records.flatMap((record) => record.layers),
    )
    expect(readdirSync(join(dataRoot, 'images/tmp'))).toEqual([])
    expect(readdirSync(join(dataRoot, 'images/blobs/sha256'))).toHaveLength(records.length * 3)
    for (const record of records) expect(await images.config(record.id)).toMatchObject({ os: 'linux' })
  }
  expect(leftovers, 'kills that hit the middle of something').toBeGreaterThan(0)
})

describe('the built-in image', () => {
  test.each([
    ['tsnet/hello', true],
    ['tsnet/hello:latest', true],
    ['docker.io/tsnet/hello', true],
    ['tsnet/hello:2', false],
    ['quay.io/tsnet/hello', false],
    ['hello', false],
    ['not a name', false],
  ])('is meant by %j: %j', (ref, expected) => {
    expect(isBuiltin(ref)).toBe(expected)
  })

  test('is made without a registry, by pull or when it is missing, and always the same', async () => {
    await lab.pull('tsnet/hello')
    const first = lab.images.get('tsnet/hello')
    await remove('tsnet/hello')
    await lab.images.ensureBuiltin('tsnet/hello:latest')
    expect(lab.images.get('tsnet/hello')).toEqual(first)
    const before = lab.events.length
    await lab.images.ensureBuiltin('tsnet/hello')
    await lab.images.ensureBuiltin('alpine')
    expect(lab.events).toHaveLength(before)
    expect(first.config).toMatchObject({ command: ['/hello'], exposedPorts: ['80/tcp'] })
  })
})

describe('a container of the built-in image', () => {
  let directory: string
  let server: ReturnType<typeof spawn>
  beforeEach(async () => {
    await lab.images.ensureBuiltin('tsnet/hello')
    directory = join(lab.dataRoot, 'run')
    const script = `
      mkdir -p upper work merged
      mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" merged
      mkdir -p merged/data
      mount -t tmpfs tmpfs merged/data; mount -t tmpfs tmpfs merged/dev; mknod merged/dev/null c 1 3
      mount -t proc proc merged/proc
      printf '%s\\n' 'engine="tsnet-0.1.0"' 'name="web"' 'id="0123456789abcdef"' 'image="tsnet/hello:latest"' \\
        'networks="mynet=172.18.0.2/24 <b>=fd00::2/64"' > merged/run/.containerenv
      ip link set lo up; ip link add eth0 type veth peer name other
      ip addr add 172.18.0.2/24 dev eth0; ip link set eth0 up
      exec chroot merged /hello`
    execFileSync('mkdir', [directory])
    server = spawn(
      'unshare',
      ['-n', '-m', '-u', '-p', '--fork', 'sh', '-c', script, 'sh', lab.layerPath('tsnet/hello', 0)],
      {
        cwd: directory,
        // unshare says something of its own about signals when it ends.
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    await once(server.stdout!, 'data')
  })
  afterEach(async () => {
    if (server.exitCode === null) {
      process.kill(first(), 'SIGKILL')
      await once(server, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  })

  /** The pid here of the container's PID 1. */
  function first(): number {
    return Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim())
  }

  function get(agent: string, path = '/'): string {
    const url = `http://127.0.0.1${path}`
    const words = [
      '-t',
      String(first()),
      '-n',
      'curl',
      '-s',
      '-A',
      agent,
      '--retry',
      '20',
      '--retry-connrefused',
      url,
    ]
    return execFileSync('nsenter', words, { encoding: 'utf8' })
  }

  test('tells curl in plain text what it is', () => {
    expect(get('curl/8')).toMatch(
      /^Hello from web!\n\nid +0123456789ab\nhostname +\S+\nimage +tsnet\/hello:latest\nengine +tsnet-0\.1\.0\nnetwork +mynet 172\.18\.0\.2\/24\n +<b> fd00::2\/64\naddress +eth0 172\.18\.0\.2\/24\nmount +\/data \(rw\) from memory\nvisits +1 \(kept in \/data\)\n$/,
    )
  })

  test('tells a browser in HTML, with what others have named escaped', () => {
    const page = get('Mozilla/5.0')
    expect(page).toContain('<h1>Hello from <b>web</b></h1>')
    expect(page).toContain('<dd>&lt;b&gt; fd00::2/64</dd>')
    expect(page).not.toMatch(/https?:\/\//)
  })

  test('counts every visit, also those of one moment, and nothing but visits', async () => {
    get('curl/8', '/favicon.ico')
    const words = [
      '-t',
      String(first()),
      '-n',
      'sh',
      '-c',
      'for i in $(seq 20); do curl -s http://127.0.0.1/ & done; wait',
    ]
    execFileSync('nsenter', words)
    expect(get('curl/8')).toContain('visits     21 (kept in /data)')
  })

  test('ends at once on SIGTERM, although it is PID 1', async () => {
    get('curl/8')
    const exited = once(server, 'exit')
    const start = performance.now()
    process.kill(first(), 'SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(performance.now() - start).toBeLessThan(5000)
    expect(existsSync(directory)).toBe(true)
  })
})

/** Image stores in temporary directories, images made by hand, and a registry that misbehaves on demand. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Header, pack } from 'tar-stream'
import { digestHex, digestOf } from '../../../src/images/digest.ts'
import type { Progress } from '../../../src/images/image.ts'
import { createImages, type ManagedImages } from '../../../src/images/images.ts'
import { mediaTypes } from '../../../src/images/manifest.ts'
import { createLogger } from '../../../src/log.ts'
import type { ContainerRecord } from '../../../src/store/records.ts'
import { openStore, type Store } from '../../../src/store/store.ts'

export class ImageLab implements Disposable {
  readonly dataRoot = mkdtempSync(join(tmpdir(), 'tsnet-images-'))
  readonly store: Store
  readonly images: ManagedImages
  readonly events: string[] = []
  readonly progress: Progress[] = []
  containers: ContainerRecord[] = []

  constructor() {
    this.store = openStore(join(this.dataRoot, 'state.db'))
    this.images = createImages({
      store: this.store,
      dataRoot: this.dataRoot,
      log: createLogger('silent'),
      events: (action, record) => this.events.push(`${action} ${record.id}`),
      usersOf: (id) => this.containers.filter((container) => container.image === id),
    })
  }

  readonly sink = (line: Progress): void => {
    this.progress.push(line)
  }

  async pull(ref: string, options: Partial<Parameters<ManagedImages['pull']>[1]> = {}): Promise<void> {
    const signal = new AbortController().signal
    await this.images.pull(ref, { platform: '', auth: null, signal, ...options }, this.sink)
  }

  async save(...refs: string[]): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync((await this.images.save(refs)) as AsyncIterable<Buffer>))
  }

  async load(archive: Buffer): Promise<readonly string[]> {
    // In pieces, as from a socket
    const pieces = Array.from({ length: Math.ceil(archive.length / 50_000) }, (_, index) =>
      archive.subarray(index * 50_000, (index + 1) * 50_000),
    )
    return this.images.load(Readable.from(pieces, { objectMode: false }), this.sink)
  }

  layerPath(ref: string, index: number, ...path: string[]): string {
    return join(this.dataRoot, 'layers', this.images.get(ref).layers[index] ?? 'none', ...path)
  }

  /** Names of everything that is on disk for images. */
  onDisk(): { layers: string[]; blobs: string[]; temporary: string[] } {
    const list = (...path: string[]): string[] => readdirSync(join(this.dataRoot, ...path)).toSorted()
    return {
      layers: list('layers'),
      blobs: list('images', 'blobs', 'sha256'),
      temporary: list('images', 'tmp'),
    }
  }

  [Symbol.dispose](): void {
    this.store.close()
    rmSync(this.dataRoot, { recursive: true, force: true })
  }
}

export const nothing = { layers: [], blobs: [], temporary: [] }

export async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of Object.entries(files)) {
    const header: Header | { name: string } = { name, mtime: new Date(0) } as Header
    archive.entry(header, content)
  }
  archive.finalize()
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>))
}

export interface MadeImage {
  readonly manifest: Buffer
  readonly mediaType: string
  readonly config: Buffer
  readonly layers: readonly Buffer[]
}

/** An image of the given layers, each of which is compressed by `compress`. */
export function makeImage(
  tars: readonly Buffer[],
  options: { compress?: (tar: Buffer) => Buffer; docker?: boolean; architecture?: string } = {},
): MadeImage {
  const { compress = (tar) => tar, docker = false, architecture = 'amd64' } = options
  const layers = tars.map(compress)
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '2024-01-02T03:04:05Z',
      config: { Cmd: ['/bin/true'], Env: ['A=1'] },
      rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
    }),
  )
  const describe = (mediaType: string, bytes: Buffer): object => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  })
  const mediaType = docker ? mediaTypes.dockerManifest : mediaTypes.ociManifest
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: describe(docker ? mediaTypes.dockerConfig : mediaTypes.ociConfig, config),
    layers: layers.map((layer) => describe(docker ? mediaTypes.dockerLayer : mediaTypes.ociLayer, layer)),
  }
  return { manifest: Buffer.from(JSON.stringify(manifest)), mediaType, config, layers }
}

export function makeIndex(
  images: readonly { image: MadeImage; architecture: string; variant?: string }[],
): Buffer {
  const manifests = images.map(({ image, architecture, variant }) => ({
    mediaType: image.mediaType,
    digest: digestOf(image.manifest),
    size: image.manifest.length,
    platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
  }))
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }))
}

/** Waits until `probe` does not throw; fails after ten seconds with its last error. */
export async function eventually<T>(probe: () => T | Promise<T>): Promise<T> {
  const end = Date.now() + 10_000
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (Date.now() > end) throw error
      await delay(50)
    }
  }
}

/** Debian's docker-registry on a free loopback port. */
export class RealRegistry implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'tsnet-registry-'))
  #process: ChildProcess | null = null
  host = ''

  async start(): Promise<void> {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    this.host = `127.0.0.1:${(probe.address() as AddressInfo).port}`
    probe.close()
    const config = join(this.#directory, 'config.yml')
    const storage = join(this.#directory, 'storage')
    writeFileSync(
      config,
      `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: '${this.host}'}\n`,
    )
    this.#process = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
    await eventually(() => fetch(`http://${this.host}/v2/`))
  }

  /** Uploads an image and gives its manifest a tag. */
  async push(repository: string, tag: string, image: MadeImage): Promise<void> {
    for (const blob of [image.config, ...image.layers]) await this.#upload(repository, blob)
    await this.putManifest(repository, tag, image.manifest, image.mediaType)
  }

  async putManifest(repository: string, tag: string, body: Buffer, mediaType: string): Promise<void> {
    const url = `http://${this.host}/v2/${repository}/manifests/${tag}`
    const headers = { 'content-type': mediaType }
    const response = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(body) })
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  }

  async #upload(repository: string, blob: Buffer): Promise<void> {
    const begin = await fetch(`http://${this.host}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const url = new URL(begin.headers.get('location') ?? '', `http://${this.host}`)
    url.searchParams.set('digest', digestOf(blob))
    const response = await fetch(url, { method: 'PUT', body: new Uint8Array(blob) })
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const process = this.#process
    if (process !== null && process.exitCode === null) {
      process.kill()
      await once(process, 'exit')
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
) => void | Promise<void>

/** A server on a free loopback port that notes each request. */
export class TestServer implements AsyncDisposable {
  readonly requests: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] =
    []
  readonly #server: Server
  host = ''

  constructor(handler: Handler) {
    this.#server = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
      this.requests.push({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body,
      })
      await handler(request, response, body)
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  paths(part: string): string[] {
    return this.requests.map(({ path }) => path).filter((path) => path.includes(part))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Serves one repository's content by the distribution API; `before` may answer a request otherwise. */
export function registryHandler(
  images: Readonly<Record<string, MadeImage>>,
  before: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean> = () => false,
): Handler {
  const blobs = new Map<string, Buffer>()
  const manifests = new Map<string, MadeImage>()
  for (const [tag, image] of Object.entries(images)) {
    for (const blob of [image.config, ...image.layers]) blobs.set(digestOf(blob), blob)
    manifests.set(tag, image).set(digestOf(image.manifest), image)
  }
  return async (request, response) => {
    if (await before(request, response)) return
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? []
    if (kind === undefined) response.end('{}')
    else if (kind === 'manifests') sendManifest(response, manifests.get(name))
    else sendBlob(request, response, blobs.get(name))
  }
}

function sendManifest(response: ServerResponse, image: MadeImage | undefined): void {
  if (image === undefined) response.writeHead(404).end()
  else response.setHeader('content-type', image.mediaType).end(image.manifest)
}

export function sendBlob(request: IncomingMessage, response: ServerResponse, blob: Buffer | undefined): void {
  if (blob === undefined) {
    response.writeHead(404).end()
    return
  }
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (start > 0)
    response.writeHead(206, { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` })
  response.end(blob.subarray(start))
}

export function blobName(bytes: Buffer): string {
  return digestHex(digestOf(bytes))
}

export function fileExists(...path: string[]): boolean {
  return existsSync(join(...path))
}

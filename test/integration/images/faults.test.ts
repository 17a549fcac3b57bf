import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/images/digest.ts'
import {
  ImageLab,
  type MadeImage,
  makeImage,
  nothing,
  registryHandler,
  sendBlob,
  TestServer,
  tarOf,
} from './lab.ts'

let lab: ImageLab
beforeEach(() => {
  lab = new ImageLab()
})
afterEach(() => lab[Symbol.dispose]())

async function imageOf(...contents: string[]): Promise<MadeImage> {
  return makeImage(await Promise.all(contents.map((content) => tarOf({ file: content }))), {
    compress: gzipSync,
  })
}

/** Content that gzip cannot make small. */
const large = (): string => randomBytes(400_000).toString('latin1')

type Before = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

async function serve(image: MadeImage, before: Before): Promise<TestServer> {
  return new TestServer(registryHandler({ latest: image }, before)).start()
}

function isBlob(request: IncomingMessage, blob: Buffer | undefined): boolean {
  return blob !== undefined && request.url?.endsWith(`/blobs/${digestOf(blob)}`) === true
}

describe('content that is not what its digest says is refused, and nothing is left', () => {
  test.each([
    ['a layer with a flipped bit', (blob: Buffer) => flip(blob)],
    ['a layer that is longer than announced', (blob: Buffer) => Buffer.concat([blob, Buffer.from('more')])],
  ])('%s', async (_name, change) => {
    const image = await imageOf('good', large())
    const [, layer] = image.layers
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer)) return false
      response.end(change(layer!))
      return true
    })
    await expect(lab.pull(`${server.host}/x`)).rejects.toThrow(
      `filesystem layer verification failed for digest ${digestOf(layer!)}`,
    )
    expect(lab.onDisk()).toEqual(nothing)
    expect(lab.images.list()).toEqual([])
    expect(server.paths(digestOf(layer!))).toHaveLength(1)
  })

  test('a config', async () => {
    const image = await imageOf('x')
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, image.config)) return false
      response.end(flip(image.config))
      return true
    })
    await expect(lab.pull(`${server.host}/x`)).rejects.toThrow('verification failed for digest')
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('a manifest that was asked for by digest', async () => {
    const image = await imageOf('x')
    const wrong = `sha256:${'1'.repeat(64)}`
    await using server = await serve(image, (request, response) => {
      if (!request.url?.includes('/manifests/')) return false
      response.setHeader('content-type', image.mediaType).end(image.manifest)
      return true
    })
    await expect(lab.pull(`${server.host}/x@${wrong}`)).rejects.toThrow(
      `manifest verification failed for digest ${wrong}`,
    )
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('a layer whose compressed form is right and whose content is not the config’s', async () => {
    const image = await imageOf('said')
    const other = await imageOf('given')
    const manifest = JSON.parse(image.manifest.toString()) as { layers: unknown }
    manifest.layers = (JSON.parse(other.manifest.toString()) as { layers: unknown }).layers
    const mixed = { ...image, manifest: Buffer.from(JSON.stringify(manifest)), layers: other.layers }
    await using server = await serve(mixed, () => false)
    await expect(lab.pull(`${server.host}/x`)).rejects.toThrow(
      "layers from manifest don't match image configuration",
    )
    expect(lab.onDisk()).toEqual(nothing)
  })

  function flip(blob: Buffer): Buffer {
    const changed = Buffer.from(blob)
    changed[changed.length >> 1]! ^= 1
    return changed
  }
})

describe('a transfer that breaks', () => {
  test('goes on where it broke, with the same digest at the end', async () => {
    const image = await imageOf(large())
    const [layer] = image.layers
    const starts: number[] = []
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer)) return false
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      starts.push(start)
      if (starts.length > 3) return false
      response.writeHead(start > 0 ? 206 : 200, {
        'content-length': layer!.length - start,
        ...(start > 0 ? { 'content-range': `bytes ${start}-${layer!.length - 1}/${layer!.length}` } : {}),
      })
      response.write(layer!.subarray(start, start + 100_000), () => setTimeout(() => response.destroy(), 50))
      return true
    })
    await lab.pull(`${server.host}/x`)
    expect(starts).toEqual([0, 100_000, 200_000, 300_000])
    expect(lab.images.get(`${server.host}/x`).size).toBe(
      Buffer.byteLength(readFileSync(lab.layerPath(`${server.host}/x`, 0, 'file'))),
    )
  })

  test('comes to its end also where the registry cannot resume', async () => {
    const image = await imageOf(large())
    const [layer] = image.layers
    let calls = 0
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer)) return false
      if (++calls > 1) response.end(layer)
      else {
        response.writeHead(200, { 'content-length': layer!.length })
        response.write(layer!.subarray(0, 150_000), () => setTimeout(() => response.destroy(), 50))
      }
      return true
    })
    await lab.pull(`${server.host}/x`)
    expect(calls).toBe(2)
    expect(lab.images.list()).toHaveLength(1)
  })

  test('again and again is given up, and nothing is left', async () => {
    const image = await imageOf(large())
    const [layer] = image.layers
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer)) return false
      response.writeHead(503).end()
      return true
    })
    await expect(lab.pull(`${server.host}/x`)).rejects.toThrow('received unexpected HTTP status: 503')
    expect(server.paths(digestOf(layer!))).toHaveLength(5)
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('because its caller has gone leaves nothing, and stops at once', async () => {
    const image = await imageOf('small', large())
    const [, layer] = image.layers
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer)) return false
      response.writeHead(200, { 'content-length': layer!.length })
      response.write(layer!.subarray(0, 1000))
      return true
    })
    const caller = new AbortController()
    const pull = lab.pull(`${server.host}/x`, { signal: caller.signal })
    await expect.poll(() => server.paths(digestOf(layer!)).length).toBe(1)
    await delay(100)
    caller.abort(new Error('caller has gone'))
    await expect(pull).rejects.toThrow('caller has gone')
    expect(lab.onDisk()).toEqual(nothing)
  })

  test('for one caller does not fail another who wants the same blob', async () => {
    const image = await imageOf(large())
    const [layer] = image.layers
    let calls = 0
    await using server = await serve(image, (request, response) => {
      if (!isBlob(request, layer) || ++calls > 1) return false
      response.writeHead(200, { 'content-length': layer!.length })
      response.write(layer!.subarray(0, 1000))
      return true
    })
    const first = new AbortController()
    const going = lab.pull(`${server.host}/x`, { signal: first.signal })
    await expect.poll(() => calls).toBe(1)
    const staying = lab.pull(`${server.host}/x`)
    await delay(100)
    first.abort(new Error('gone'))
    await expect(going).rejects.toThrow('gone')
    await staying
    expect(calls).toBe(2)
  })
})

test('at most three blobs are downloaded at a time', async () => {
  const image = await imageOf('a', 'b', 'c', 'd', 'e', 'f', 'g')
  let [now, most] = [0, 0]
  await using server = await serve(image, async (request) => {
    if (!image.layers.some((layer) => isBlob(request, layer))) return false
    most = Math.max(most, ++now)
    await delay(50)
    now--
    return false
  })
  await lab.pull(`${server.host}/x`)
  expect(most).toBe(3)
})

describe('a registry that sends elsewhere for blobs', () => {
  test('is followed, and the credentials stay at home', async () => {
    const image = await imageOf('elsewhere')
    const [layer] = image.layers
    await using storage = await new TestServer((request, response) =>
      sendBlob(request, response, layer),
    ).start()
    await using server = await serve(image, (request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="here"' }).end()
        return true
      }
      if (!isBlob(request, layer)) return false
      response.writeHead(307, { location: `http://${storage.host}/somewhere` }).end()
      return true
    })
    const auth = { username: 'me', password: 'secret', identityToken: '' }
    await lab.pull(`${server.host}/x`, { auth })
    expect(storage.requests).toHaveLength(1)
    expect(storage.requests[0]?.headers.authorization).toBeUndefined()
    expect(lab.images.list()).toHaveLength(1)
  })

  test('in a circle is given up', async () => {
    await using server = await serve(await imageOf('x'), (request, response) => {
      if (!request.url?.includes('/manifests/')) return false
      response.writeHead(302, { location: request.url }).end()
      return true
    })
    await expect(lab.pull(`${server.host}/x`)).rejects.toThrow('stopped after 10 redirects')
  })
})

test('a registry on loopback may speak TLS with a certificate of its own making', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-tls-'))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const options = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
  ]
  execFileSync('openssl', [...options, '-subj', '/CN=x', '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const image = await imageOf('tls')
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    void registryHandler({ latest: image })(request, response, '')
  })
  rmSync(directory, { recursive: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await lab.pull(`127.0.0.1:${(server.address() as AddressInfo).port}/x`)
    expect(lab.images.list()).toHaveLength(1)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

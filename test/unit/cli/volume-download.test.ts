import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../../../src/cli/client.ts'
import { chooseHost } from '../../../src/cli/host.ts'
import { isChanged, VolumeDownload } from '../../../src/cli/volume-download.ts'
import { formatArchiveLabel, formatArchiveSeal } from '../../../src/values/volume-archive.ts'

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

function archiveOf(content: Buffer): Buffer {
  const label = formatArchiveLabel({ name: 'data', driver: 'local', labels: {}, options: {} })
  const bytes = Buffer.concat([label, content])
  const seal = formatArchiveSeal({ sha256: digest(bytes), bytes: bytes.length, entries: 1 })
  return Buffer.concat([bytes, seal])
}

/** 40 MiB of which no two parts are alike. */
const content = Buffer.from(Uint32Array.from({ length: 10 << 20 }, (_, index) => index).buffer)

let dir: string
let server: Server
let archive: Buffer
/** Where the next answers break off, in bytes of the archive. */
let cuts: number[]
let asked: number[]

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsnet-download-'))
  archive = archiveOf(content)
  cuts = []
  asked = []
  server = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams
    const offset = Number(query.get('offset') ?? 0)
    asked.push(offset)
    if (offset > 0 && digest(archive.subarray(0, offset)) !== query.get('sha256')) {
      response.writeHead(412, { 'content-type': 'application/json' }).end('{"message":"changed"}')
      return
    }
    const cut = cuts.shift()
    if (cut === undefined) response.end(archive.subarray(offset))
    else response.write(archive.subarray(offset, cut), () => response.destroy())
  })
  await once(server.listen(join(dir, 'sock')), 'listening')
})
afterEach(() => {
  server.close()
  rmSync(dir, { recursive: true })
})

function download(): VolumeDownload {
  const host = chooseHost({ host: `unix://${dir}/sock` } as Parameters<typeof chooseHost>[0], {})
  return new VolumeDownload(
    createClient(host, async () => false),
    'data',
  )
}

async function read(chunks: AsyncIterable<Buffer>, most = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    parts.push(chunk)
    size += chunk.length
    if (size >= most) break
  }
  return Buffer.concat(parts)
}

describe('a download', () => {
  test('goes on where it broke off, also within the seal', async () => {
    cuts = [30_000_000, archive.length - 100]
    expect((await read(download().chunks(0))).equals(archive)).toBe(true)
    expect(asked).toHaveLength(3)
    expect(asked[1]).toBeGreaterThan(0)
    expect(asked[2]).toBeGreaterThan(asked[1]!)
  })

  test('goes back to where what has come was lost, without all of it coming again', async () => {
    const source = download()
    await read(source.chunks(0), 35_000_000)
    const lost = await read(source.chunks(33_000_000))
    expect(lost.equals(archive.subarray(33_000_000))).toBe(true)
    expect(asked[1]).toBeGreaterThan(15_000_000)
    expect(asked[1]).toBeLessThanOrEqual(33_000_000)
    expect((await read(source.chunks(1))).equals(archive.subarray(1))).toBe(true)
  })

  test('says that the volume has changed', async () => {
    const source = download()
    await read(source.chunks(0), 20_000_000)
    archive = archiveOf(Buffer.from(content).fill(1, 0, 10))
    const error: unknown = await read(source.chunks(20_000_000)).catch((reason: unknown) => reason)
    expect(isChanged(error)).toBe(true)
  })

  test.each([
    ['a byte is another', () => (archive[5000]! ^= 1)],
    ['the last of it is missing', () => (archive = archive.subarray(0, -1))],
    ['there is more behind it', () => (archive = Buffer.concat([archive, Buffer.alloc(1)]))],
    ['there is nothing', () => (archive = Buffer.alloc(0))],
  ])('is refused at its end when %s', async (_, spoil) => {
    spoil()
    await expect(read(download().chunks(0))).rejects.toThrow('its check sum is wrong')
  })
})

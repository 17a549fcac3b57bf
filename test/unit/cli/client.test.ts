import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../../../src/cli/client.ts'
import { parseHost } from '../../../src/cli/host.ts'
import type { TsnetError } from '../../../src/errors.ts'
import { makeCertificates } from '../api/certificates.ts'

let folder: string
let server: Server
const socket = () => join(folder, 's')
const never = async () => false

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-client-'))
})

afterEach(() => {
  server?.close()
  rmSync(folder, { recursive: true })
})

async function serve(listener: RequestListener) {
  server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(socket(), resolve))
  return createClient(parseHost(`unix://${socket()}`), never)
}

describe('createClient', () => {
  test('sends a query in which what is empty is left out', async () => {
    const client = await serve((request, response) => response.end(JSON.stringify(request.url)))
    const query = {
      all: true,
      no: false,
      name: '',
      t: 0,
      n: ['a', 'b'],
      filters: { x: ['y z'] },
      empty: {},
      u: undefined,
    }
    const url = await client.call<string>('GET', '/x', { query })
    expect(url).toBe(
      `/x?all=1&t=0&n=a&n=b&filters=${encodeURIComponent('{"x":["y z"]}').replaceAll('%20', '+')}`,
    )
  })

  test('says so when another engine than tsnet answers', async () => {
    const client = await serve((_request, response) =>
      response.writeHead(404).end('{"message":"page not found"}'),
    )
    const text = `the daemon at unix://${socket()} does not know this command: it is not tsnet's, or an older one`
    await expect(client.call('GET', '/tsnet/v1/plugin')).rejects.toThrow(text)
    await expect(client.call('GET', '/containers/json')).rejects.toThrow('page not found')
  })

  test('sends JSON with its length, and a stream as it comes', async () => {
    const client = await serve(async (request, response) => {
      const { 'content-type': type, 'content-length': length } = request.headers
      response.end(JSON.stringify([type, length ?? null, await text(request)]))
    })
    expect(await client.call('POST', '/x', { body: { ä: 1 } })).toEqual(['application/json', '8', '{"ä":1}'])
    const body = Readable.from(['one', 'two'])
    expect(await client.call('POST', '/x', { body })).toEqual(['application/x-tar', null, 'onetwo'])
    expect(await client.call('POST', '/x')).toEqual([null, '0', ''])
  })

  test('has nothing to say about an answer without content', async () => {
    const client = await serve((_request, response) => response.writeHead(204).end())
    expect(await client.call('POST', '/x')).toBeUndefined()
  })

  test.each([
    [404, 'not-found'],
    [409, 'conflict'],
    [400, 'invalid'],
    [500, 'internal'],
    [418, 'internal'],
  ])('turns status %i into an error of kind %s with the daemon’s own words', async (status, kind) => {
    const client = await serve((_request, response) =>
      response.writeHead(status).end('{"message":"no such thing\\n"}'),
    )
    const error = (await client.call('GET', '/x').catch((thrown: unknown) => thrown)) as TsnetError
    expect([error.kind, error.message]).toEqual([kind, 'Error response from daemon: no such thing'])
  })

  test('repeats what something that is no daemon says', async () => {
    const client = await serve((request, response) => {
      response.writeHead(502)
      response.end(request.url === '/words' ? 'Bad Gateway' : '')
    })
    await expect(client.call('GET', '/words')).rejects.toThrow('Error response from daemon: Bad Gateway')
    await expect(client.call('GET', '/none')).rejects.toThrow('Error response from daemon: status 502')
  })

  test('takes over a connection with what the daemon has already sent on it', async () => {
    const client = await serve(() => {})
    server.on('upgrade', (request, connection) => {
      connection.write(
        `HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nearly `,
      )
      connection.on('data', (chunk) => connection.write(chunk))
      connection.on('end', () => connection.end(' bye'))
    })
    const connection = await client.hijack('/attach')
    connection.end('hello')
    expect(await text(connection)).toBe('early hello bye')
  })

  test('refuses an answer that does not hand the connection over', async () => {
    const client = await serve((_request, response) => response.end())
    await expect(client.hijack('/attach')).rejects.toThrow('unable to upgrade to tcp, received 200')
  })

  test('says where it found no daemon', async () => {
    const client = createClient(parseHost(`unix://${socket()}`), never)
    await expect(client.call('GET', '/x')).rejects.toThrow(
      `Cannot connect to the tsnet daemon at unix://${socket()}. Is the tsnet daemon running?`,
    )
  })

  test('tries once more when somebody has started a daemon meanwhile', async () => {
    const client = createClient(parseHost(`unix://${socket()}`), async (error) => {
      expect(error.code).toBe('ENOENT')
      await serve((_request, response) => response.end('"up"'))
      return true
    })
    expect(await client.call('GET', '/x')).toBe('up')
  })
})

describe('by TLS', () => {
  const { ca, server: own, client: signed, stranger } = makeCertificates()

  async function serveSecurely() {
    server = createTlsServer(
      { ...own, ca, requestCert: true, rejectUnauthorized: true },
      (_request, response) => response.end('"secret"'),
    )
    server.on('upgrade', (_request, connection) => {
      connection.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
      connection.on('data', (chunk) => connection.end(chunk))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  function clientWith(port: number, { cert, key }: { readonly cert: string; readonly key: string }) {
    const files = { ca, cert, key }
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    const tls = { ca: join(folder, 'ca'), cert: join(folder, 'cert'), key: join(folder, 'key') }
    return createClient({ ...parseHost(`tcp://127.0.0.1:${port}`), tls }, never)
  }

  test('a client with a certificate of the authority is served, both ways too', async () => {
    const client = clientWith(await serveSecurely(), signed)
    expect(await client.call('GET', '/x')).toBe('secret')
    const connection = await client.hijack('/attach')
    connection.write('echo')
    expect(await text(connection)).toBe('echo')
  })

  test('a client of another authority is not', async () => {
    const client = clientWith(await serveSecurely(), stranger)
    await expect(client.call('GET', '/x')).rejects.toThrow(/alert|reset|hang up/i)
  })

  test('a server of another authority is not spoken to', async () => {
    const port = await serveSecurely()
    const client = clientWith(port, signed)
    writeFileSync(join(folder, 'ca'), stranger.cert)
    await expect(client.call('GET', '/x')).rejects.toThrow(/certificate/)
  })

  test('a file that cannot be read is named', async () => {
    const client = clientWith(await serveSecurely(), signed)
    rmSync(join(folder, 'key'))
    await expect(client.call('GET', '/x')).rejects.toThrow(
      `${folder}/key, which TLS needs, cannot be read: ENOENT`,
    )
  })
})

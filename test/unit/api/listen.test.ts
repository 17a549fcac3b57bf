import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { type RequestListener, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ListenAddress, type Listener, listenOn } from '../../../src/api/listen.ts'
import { makeCertificates } from './certificates.ts'

const hello: RequestListener = (_request, response) => void response.end('hello')
const directory = mkdtempSync(join(tmpdir(), 'tsnet-listen-'))
const path = join(directory, 'api.sock')
let listeners: Listener[] = []

const listen = async (address: ListenAddress): Promise<Listener> => {
  const listener = await listenOn(address, hello)
  listeners.push(listener)
  return listener
}

beforeEach(() => {
  listeners = []
})
afterAll(() => rmSync(directory, { recursive: true }))
afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.close()))
})

const get = (options: object, secure = false): Promise<string> =>
  new Promise((resolve, reject) => {
    const one = (secure ? tlsRequest : request)({ agent: false, ...options }, (response) => {
      let text = ''
      response.on('data', (data) => (text += data)).on('end', () => resolve(text))
    })
    one.on('error', reject).end()
  })

describe('a unix socket', () => {
  test('has the wanted mode and answers', async () => {
    const { url } = await listen({ unix: path, mode: 0o640, gid: process.getgid!() })
    expect(url).toBe(`unix://${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(await get({ socketPath: path })).toBe('hello')
  })

  test('does not change the umask of what comes after', async () => {
    const before = process.umask()
    await listen({ unix: path, mode: 0o600 })
    expect(process.umask()).toBe(before)
  })

  test('takes the place of one that a killed daemon has left', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(statSync(path).isSocket()).toBe(true)
    await listen({ unix: path, mode: 0o600 })
    expect(await get({ socketPath: path })).toBe('hello')
  })

  test('never takes the place of one that is served', async () => {
    await listen({ unix: path, mode: 0o600 })
    await expect(listenOn({ unix: path, mode: 0o600 }, hello)).rejects.toMatchObject({
      kind: 'conflict',
      message: `${path} is in use: another daemon listens there; stop it, or give another --host`,
    })
    expect(await get({ socketPath: path })).toBe('hello')
  })

  test('is gone after closing', async () => {
    const listener = await listenOn({ unix: path, mode: 0o600 }, hello)
    await listener.close()
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
  })
})

describe('a TCP address', () => {
  const { ca, server, client, stranger } = makeCertificates()
  const tls = { ca, ...server }

  test('tells the port that it got', async () => {
    const { url } = await listen({ host: '127.0.0.1', port: 0, tls })
    expect(url).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d+$/)
  })

  test('answers a client whose certificate the authority has signed', async () => {
    const { url } = await listen({ host: '127.0.0.1', port: 0, tls })
    const options = { host: '127.0.0.1', port: new URL(url).port, ca, ...client }
    expect(await get({ ...options, servername: 'localhost' }, true)).toBe('hello')
  })

  test.each([
    ['without a certificate', {}],
    ['with a certificate of its own making', stranger],
  ])('cuts off a client %s', async (_kind, certificate) => {
    const { url } = await listen({ host: '127.0.0.1', port: 0, tls })
    const options = { host: '127.0.0.1', port: new URL(url).port, ca, ...certificate }
    await expect(get({ ...options, servername: 'localhost' }, true)).rejects.toThrow()
  })

  test('does not speak plain HTTP', async () => {
    const { url } = await listen({ host: '127.0.0.1', port: 0, tls })
    await expect(get({ host: '127.0.0.1', port: new URL(url).port })).rejects.toThrow()
  })

  test('that is taken is a conflict', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => holder.once('listening', resolve))
    const { port } = holder.address() as { port: number }
    await expect(listenOn({ host: '127.0.0.1', port, tls }, hello)).rejects.toMatchObject({
      kind: 'conflict',
      message: `127.0.0.1:${port} is in use: another daemon listens there; stop it, or give another --host`,
    })
    holder.close()
  })
})

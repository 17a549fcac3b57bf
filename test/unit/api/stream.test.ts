import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ApiServer, createApiServer } from '../../../src/api/server.ts'
import { createMemoryEngine, frame } from './memory-engine.ts'
import { plainSpec } from './wire/spec.ts'

const engine = createMemoryEngine()
const directory = mkdtempSync(join(tmpdir(), 'tsnet-api-'))
const path = join(directory, 'api.sock')
let server: ApiServer

beforeAll(async () => {
  server = createApiServer({ engine, log: pino({ level: 'silent' }), version: '0' })
  await server.listen({ unix: path, mode: 0o600 })
})
afterAll(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

/** A client that sees every byte. */
class Wire {
  readonly socket: Socket = connect({ path, allowHalfOpen: true })
  text = ''
  ended = false

  constructor() {
    this.socket.setEncoding('latin1')
    this.socket.on('data', (data: string) => {
      this.text += data
    })
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('error', () => {})
  }

  send(text: string): this {
    this.socket.write(text)
    return this
  }

  post(url: string, headers: Record<string, string>, body = ''): this {
    const lines = Object.entries({ Host: 'x', 'Content-Length': String(body.length), ...headers })
    return this.send(
      `POST ${url} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
    )
  }

  async until(condition: (wire: Wire) => boolean): Promise<string> {
    for (let waited = 0; !condition(this); waited += 5) {
      if (waited > 3000) throw new Error(`only received ${JSON.stringify(this.text)}`)
      await sleep(5)
    }
    return this.text
  }

  get body(): string {
    return this.text.slice(this.text.indexOf('\r\n\r\n') + 4)
  }
}

const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' }
const latin = (...frames: readonly Buffer[]): string => Buffer.concat(frames).toString('latin1')

async function makeContainer(tty: boolean): Promise<string> {
  const { id } = await engine.containers.create({ ...plainSpec, tty, openStdin: true }, null)
  await engine.containers.start(id)
  return id
}

let container = ''
let terminal = ''
beforeEach(async () => {
  container = await makeContainer(false)
  terminal = await makeContainer(true)
})

describe('attach with an upgrade', () => {
  test('switches protocols and passes the bytes of both sides as they are', async () => {
    const wire = new Wire().post(`/v1.50/containers/${container}/attach?stream=1&stdin=1&stdout=1`, upgrade)
    await wire.until(({ text }) => text.includes('hello'))
    expect(wire.text).toBe(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n' +
        `Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n${latin(frame(1, 'hello'))}`,
    )
    wire.send('one')
    await wire.until(({ text }) => text.includes('one'))
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'one')))
    wire.socket.destroy()
  })

  test('takes the end of the client writing for the end of input alone', async () => {
    const wire = new Wire().post(`/containers/${container}/attach?stream=1&stdin=1&stdout=1`, upgrade)
    await wire.until(({ text }) => text.includes('hello'))
    wire.socket.end('last')
    await wire.until(({ ended }) => ended)
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'last'), frame(1, 'bye')))
  })

  test('loses nothing that came together with the request', async () => {
    const wire = new Wire()
    wire.socket.cork()
    wire.post(`/containers/${container}/attach?stream=1&stdin=1&stdout=1`, upgrade).send('early')
    wire.socket.uncork()
    wire.socket.end()
    await wire.until(({ ended }) => ended)
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'early'), frame(1, 'bye')))
  })

  test.each([
    ['v1.50', 'terminal', 'raw'],
    ['v1.41', 'pipe', 'raw'],
    ['v1.42', 'pipe', 'multiplexed'],
  ])('in %s tells a client that a %s gives a %s stream', async (version, kind, type) => {
    const name = kind === 'terminal' ? terminal : container
    const wire = new Wire().post(`/${version}/containers/${name}/attach?stream=1&stdout=1`, upgrade)
    await wire.until(({ text }) => text.includes('hello'))
    expect(wire.text).toContain(`Content-Type: application/vnd.docker.${type}-stream\r\n`)
    wire.socket.destroy()
  })

  test('is not fed by the options that some clients repeat as a body', async () => {
    const headers = { ...upgrade, 'Content-Type': 'application/json' }
    const wire = new Wire().post(
      `/containers/${container}/attach?stream=1&stdin=1`,
      headers,
      '{"stream":true}',
    )
    await wire.until(({ text }) => text.includes('hello'))
    wire.socket.end('real')
    await wire.until(({ ended }) => ended)
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'real'), frame(1, 'bye')))
  })

  test('answers an error as ordinary JSON and closes', async () => {
    const wire = new Wire().post('/containers/none/attach?stream=1', upgrade)
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 404 Not Found\r\n/)
    expect(JSON.parse(wire.body)).toEqual({ message: 'No such container: none' })
  })

  test('lets go of the stream when the client is lost', async () => {
    await engine.containers.create({ ...plainSpec, openStdin: true }, 'chatty')
    const wire = new Wire().post('/containers/chatty/attach?stream=1&stdout=1', upgrade)
    await wire.until(({ text }) => text.includes('again'))
    expect(engine.calls.at(-1)?.name).toBe('attach')
    wire.socket.destroy()
    for (let waited = 0; engine.calls.at(-1)?.name !== 'detached'; waited++) {
      expect(waited).toBeLessThan(300)
      await sleep(5)
    }
  })
})

describe('attach without an upgrade', () => {
  test('answers with the stream as body, and reads input from the request', async () => {
    const wire = new Wire().post(
      `/containers/${container}/attach?stream=1&stdin=1&stdout=1`,
      { 'Content-Type': 'text/plain', Connection: 'close' },
      'typed',
    )
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(wire.text).toContain('content-type: application/vnd.docker.raw-stream\r\n')
    expect(wire.body).toContain(latin(frame(1, 'typed')))
    expect(wire.body).toContain(latin(frame(1, 'bye')))
  })
})

describe('exec start', () => {
  const makeExec = (argv: string[], tty = false) =>
    engine.execs.create(container, {
      argv,
      env: [],
      workingDir: '',
      user: '',
      tty,
      stdin: true,
      stdout: true,
      stderr: true,
      privileged: false,
      detachKeys: '',
    })
  const json = { ...upgrade, 'Content-Type': 'application/json' }

  test('with an upgrade reads its body first and then the input', async () => {
    const id = await makeExec(['cat'])
    const wire = new Wire().post(`/exec/${id}/start`, json, '{"Detach":false,"Tty":false}').send('typed')
    wire.socket.end()
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n/)
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'typed'), frame(1, 'bye')))
    expect(engine.execs.get(id).exitCode).toBe(3)
  })

  test('with an upgrade waits for a body that comes in pieces', async () => {
    const id = await makeExec(['cat'], true)
    const body = '{"Tty":true,"ConsoleSize":[24,80]}'
    const wire = new Wire().post(`/exec/${id}/start`, { ...json, 'Content-Length': String(body.length) })
    for (const piece of [body.slice(0, 7), body.slice(7, 20), `${body.slice(20)}typed`]) {
      await sleep(20)
      wire.send(piece)
    }
    await wire.until(({ text }) => text.includes('typed'))
    expect(wire.body).toBe('hellotyped')
    expect(engine.calls.at(-1)).toEqual({
      name: 'exec-start',
      args: [id, { detach: false, tty: true, rows: 24, columns: 80 }],
    })
    wire.socket.destroy()
  })

  test('with an upgrade takes a chunked body, too', async () => {
    const id = await makeExec(['cat'])
    const wire = new Wire().send(
      `POST /exec/${id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    )
    await wire.until(({ text }) => text.includes('hello'))
    wire.socket.end('typed')
    await wire.until(({ ended }) => ended)
    expect(wire.body).toBe(latin(frame(1, 'hello'), frame(1, 'typed'), frame(1, 'bye')))
  })

  test('of a program that is not there tells why as its output', async () => {
    const id = await makeExec(['missing'])
    const wire = new Wire().post(`/exec/${id}/start`, json, '{}')
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n/)
    expect(wire.body).toBe(latin(frame(2, 'exec: "missing": executable file not found in $PATH\r\n')))
  })

  test('a second time is an error before the upgrade', async () => {
    const id = await makeExec(['missing'])
    const first = new Wire().post(`/exec/${id}/start`, json, '{}')
    await first.until(({ ended }) => ended)
    const second = new Wire().post(`/exec/${id}/start`, json, '{}')
    await second.until(({ ended }) => ended)
    expect(second.text).toMatch(/^HTTP\/1.1 409 Conflict\r\n/)
  })

  test('detached answers at once without a stream', async () => {
    const id = await makeExec(['sleep'])
    const wire = new Wire().post(`/exec/${id}/start`, { ...json, Connection: 'close' }, '{"Detach":true}')
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(wire.body).toBe('')
  })
})

describe('an upgrade to what is not served', () => {
  test('is refused like any other request', async () => {
    const wire = new Wire().post('/session', { Connection: 'Upgrade', Upgrade: 'h2c' })
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 501 Not Implemented\r\n/)
  })
})

describe('waiting', () => {
  test('sends its headers before there is anything to tell', async () => {
    const wire = new Wire().post(`/containers/${container}/wait?condition=next-exit`, { Connection: 'close' })
    await wire.until(({ text }) => text.includes('\r\n\r\n'))
    expect(wire.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(wire.body).toBe('')
    engine.exit(container, 7)
    await wire.until(({ ended }) => ended)
    expect(wire.body).toContain('{"StatusCode":7}')
  })

  test('before API 1.30 answers all at once', async () => {
    const wire = new Wire().post(`/v1.29/containers/${container}/wait?condition=odd`, { Connection: 'close' })
    await sleep(50)
    expect(wire.text).toBe('')
    engine.exit(container, 7)
    await wire.until(({ ended }) => ended)
    expect(JSON.parse(wire.body)).toEqual({ StatusCode: 7 })
  })

  test('for a container that is not there is an error', async () => {
    const wire = new Wire().post('/containers/none/wait', { Connection: 'close' })
    await wire.until(({ ended }) => ended)
    expect(wire.text).toMatch(/^HTTP\/1.1 404 /)
  })
})

describe('following logs', () => {
  const get = (url: string): Wire => new Wire().send(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`)

  test('goes on until the client leaves, and ends then', async () => {
    const wire = get(`/v1.50/containers/${container}/logs?stdout=1&follow=1`)
    await wire.until(({ text }) => text.includes('line'))
    expect(wire.text).toContain('content-type: application/vnd.docker.multiplexed-stream\r\n')
    expect(wire.ended).toBe(false)
    wire.socket.destroy()
    for (let waited = 0; engine.calls.at(-1)?.name !== 'logs-aborted'; waited++) {
      expect(waited).toBeLessThan(300)
      await sleep(5)
    }
  })

  test('of events tells them as they happen, filtered', async () => {
    const filters = encodeURIComponent(JSON.stringify({ type: ['network'] }))
    const wire = get(`/events?filters=${filters}`)
    await wire.until(({ text }) => text.includes('\r\n\r\n'))
    engine.emit({ type: 'volume', action: 'create', id: 'v', attributes: {} })
    engine.emit({ type: 'network', action: 'create', id: 'n', attributes: { name: 'net' } })
    await wire.until(({ text }) => text.includes('timeNano'))
    expect(wire.body).toContain(
      '{"Type":"network","Action":"create","Actor":{"ID":"n","Attributes":{"name":"net"}},' +
        '"scope":"local","time":1767000000,"timeNano":1767000000123456789}\n',
    )
    expect(wire.body).not.toContain('volume')
    wire.socket.destroy()
  })

  test('of events ends at the time that was asked for', async () => {
    const wire = get(`/events?until=${(Date.now() + 100) / 1000}`)
    await wire.until(({ text }) => text.endsWith('0\r\n\r\n'))
    expect(wire.text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    wire.socket.destroy()
  })
})

describe('a pull whose client leaves', () => {
  test('is told to stop, and what it still says does no harm', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let told = 0
    engine.pull = async (progress) => {
      const say = (): void => progress({ id: 'layer', status: 'Downloading', current: ++told, total: 9 })
      say()
      await promise
      say()
      await sleep(10)
      throw new Error('too late')
    }
    const wire = new Wire().post('/images/create?fromImage=demo', {})
    await wire.until(({ text }) => text.includes('Downloading'))
    wire.socket.destroy()
    await sleep(20)
    resolve()
    await sleep(40)
    expect(told).toBe(2)
    const next = new Wire().send('GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await next.until(({ ended }) => ended)
    expect(next.body).toBe('OK')
  })
})

test('closing the server cuts attached clients', async () => {
  const other = createApiServer({ engine, log: pino({ level: 'silent' }), version: '0' })
  const otherPath = join(directory, 'other.sock')
  await other.listen({ unix: otherPath, mode: 0o600 })
  const socket = connect(otherPath)
  socket.on('error', () => {})
  socket.write(
    `POST /containers/${container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('data', resolve))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await other.close()
  await closed
  expect(socket.destroyed).toBe(true)
})

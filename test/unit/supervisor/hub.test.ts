/** The hub between real FIFOs, whose other ends the test holds in the program's place, and real sockets. */
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeFrame } from '../../../src/supervisor/frames.ts'
import { Hub } from '../../../src/supervisor/hub.ts'
import type { StdioSpec, StreamRequest } from '../../../src/supervisor/protocol.ts'
import { FifoStdio, fifoPaths, makeChildDir, makeFifos } from '../../../src/supervisor/stdio.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-hub-'))
const log = join(directory, 'json.log')
const waiting: ((socket: Socket) => void)[] = []
const server = createServer({ allowHalfOpen: true }, (socket) => waiting.shift()?.(socket))
beforeAll(() => new Promise<void>((resolve) => server.listen(join(directory, 'sock'), resolve)))
afterAll(() => {
  server.close()
  rmSync(directory, { recursive: true })
})

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const request: StreamRequest = {
  stream: 'one',
  stdin: true,
  stdout: true,
  stderr: true,
  tty: false,
  detachKeys: [],
}

/** A client of the hub: the end that the daemon holds. */
async function attach(hub: Hub, change: Partial<StreamRequest> = {}, head = ''): Promise<Socket> {
  const accepted = new Promise<Socket>((resolve) => waiting.push(resolve))
  const client = connect({ path: join(directory, 'sock'), allowHalfOpen: true })
  client.on('error', () => {})
  const connection = await accepted
  closers.push(() => client.destroy())
  closers.push(() => connection.destroy())
  hub.attach(connection, { ...request, ...change }, Buffer.from(head))
  return client
}

interface Program {
  readonly stdin: number
  readonly stdout: number
  readonly stderr: number
  end(): void
}

/** Opens the hub to FIFOs, and their other ends as the program does. */
function start(hub: Hub, change: Partial<StdioSpec> = {}): Program {
  const spec = { tty: false, stdin: true, stdinOnce: false, log: '', ...change }
  const paths = fifoPaths(join(directory, 'child'), spec.stdin)
  makeChildDir(join(directory, 'child'))
  makeFifos(paths)
  const fifos = new FifoStdio(paths)
  hub.open(spec, fifos)
  const flags = constants.O_RDWR | constants.O_NONBLOCK
  const fds = [
    spec.stdin ? openSync(paths.stdin, constants.O_RDONLY | constants.O_NONBLOCK) : -1,
    openSync(paths.stdout, flags),
    openSync(paths.stderr, flags),
  ] as const
  fifos.releaseKeepers()
  closers.push(() => hub.end())
  return {
    stdin: fds[0],
    stdout: fds[1],
    stderr: fds[2],
    end: () => {
      for (const fd of fds) if (fd >= 0) closeSync(fd)
    },
  }
}

/** What a client has received, once it is that much. */
async function received(client: Socket, length: number): Promise<string> {
  while (client.readableLength < length) {
    const more = new Promise((resolve) => client.once('readable', resolve))
    client.read(0)
    await more
  }
  return (client.read(length) as Buffer).toString()
}

const frame = (text: string, stream: 'stdout' | 'stderr' = 'stdout'): string =>
  encodeFrame(stream, Buffer.from(text)).toString()

/** What the program reads; null once its input has ended. Waits for either. */
async function input(program: Program): Promise<string | null> {
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    try {
      const count = readSync(program.stdin, chunk)
      return count === 0 ? null : chunk.toString('utf8', 0, count)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Writes until nobody takes any more; returns the bytes written. */
async function fill(program: Program): Promise<number> {
  const chunk = Buffer.alloc(4_096, 0x78)
  let written = 0
  for (let refused = 0; refused < 50; ) {
    try {
      written += writeSync(program.stdout, chunk)
      refused = 0
    } catch {
      refused++
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return written
}

/** Writes once there is room, which may never be. */
async function say(program: Program, text: string): Promise<void> {
  for (;;) {
    try {
      writeSync(program.stdout, text)
      return
    } catch {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

describe('a client that attaches before the program starts', () => {
  test('misses nothing of it, and what it typed already arrives', async () => {
    const hub = new Hub()
    const client = await attach(hub, {}, 'head ')
    client.write('early\n')
    const program = start(hub)
    let typed = ''
    while (typed !== 'head early\n') typed += await input(program)
    writeSync(program.stdout, 'first')
    expect(await received(client, 13)).toBe(frame('first'))
    program.end()
  })

  test('may have ended its input already: all of it arrives, then the end', async () => {
    const hub = new Hub()
    const client = await attach(hub)
    client.end('all of it')
    await new Promise((resolve) => client.once('finish', resolve))
    const program = start(hub, { stdinOnce: true })
    expect(await input(program)).toBe('all of it')
    expect(await input(program)).toBeNull()
    program.end()
  })

  test('is let go when the program does not start', async () => {
    const hub = new Hub()
    const client = await attach(hub)
    hub.end()
    expect(await buffer(client)).toHaveLength(0)
  })
})

describe('output', () => {
  test('goes to every client that wants its stream, framed, and to the log', async () => {
    const hub = new Hub()
    const [both, errors] = [await attach(hub), await attach(hub, { stdout: false })]
    const program = start(hub, { log })
    writeSync(program.stdout, 'out\n')
    expect(await received(both, 12)).toBe(frame('out\n'))
    writeSync(program.stderr, 'err\n')
    expect(await received(both, 12)).toBe(frame('err\n', 'stderr'))
    expect(await received(errors, 12)).toBe(frame('err\n', 'stderr'))
    program.end()
    await hub.drained()
    hub.end()
    expect(
      readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).log),
    ).toEqual(['out\n', 'err\n'])
  })

  test('of a terminal goes out as it is', async () => {
    const hub = new Hub()
    const client = await attach(hub, { tty: true })
    const program = start(hub, { tty: true })
    writeSync(program.stdout, 'raw')
    expect(await received(client, 3)).toBe('raw')
    program.end()
  })

  test('comes to an end for clients when the hub ends, and at once for those that come later', async () => {
    const hub = new Hub()
    const client = await attach(hub)
    const program = start(hub)
    writeSync(program.stdout, 'last')
    program.end()
    await hub.drained()
    hub.end()
    expect((await buffer(client)).toString()).toBe(frame('last'))
    expect(await buffer(await attach(hub))).toHaveLength(0)
  })

  test('goes on for a client that has ended its input', async () => {
    const hub = new Hub()
    const client = await attach(hub)
    const program = start(hub)
    client.end('bye')
    expect(await input(program)).toBe('bye')
    writeSync(program.stdout, 'answer')
    expect(await received(client, 14)).toBe(frame('answer'))
    program.end()
  })
})

describe('input', () => {
  test('stays open for the next client unless it is given once', async () => {
    const hub = new Hub()
    const program = start(hub)
    const first = await attach(hub)
    first.end('one ')
    expect(await input(program)).toBe('one ')
    const second = await attach(hub)
    second.end('two')
    expect(await input(program)).toBe('two')
    program.end()
  })

  test('given once ends with the client that gave it, also when that just goes', async () => {
    const hub = new Hub()
    const program = start(hub, { stdinOnce: true })
    const client = await attach(hub)
    client.write('typed')
    expect(await input(program)).toBe('typed')
    client.destroy()
    expect(await input(program)).toBeNull()
    program.end()
  })

  test('does not come from a client that only listens, nor end with it', async () => {
    const hub = new Hub()
    const program = start(hub, { stdinOnce: true })
    const listener = await attach(hub, { stdin: false })
    listener.end('ignored')
    const client = await attach(hub)
    client.write('heard')
    expect(await input(program)).toBe('heard')
    program.end()
  })

  test('of more than a FIFO holds arrives whole', async () => {
    const hub = new Hub()
    const program = start(hub, { stdinOnce: true })
    const client = await attach(hub)
    const sent = 'abcdefgh'.repeat(100_000)
    client.end(sent)
    let typed = ''
    for (let chunk = await input(program); chunk !== null; chunk = await input(program)) typed += chunk
    expect(typed === sent).toBe(true)
    program.end()
  })
})

describe('a client that types its detach keys', () => {
  test('goes, and the program stays; what came before them arrives, nothing after', async () => {
    const hub = new Hub()
    const program = start(hub, { tty: true })
    const client = await attach(hub, { tty: true, detachKeys: [16, 17] })
    client.write('before\x10\x11after')
    expect(await input(program)).toBe('before')
    client.write('later')
    writeSync(program.stdout, 'not for you')
    expect(await buffer(client)).toHaveLength(0)
    const next = await attach(hub, { tty: true })
    next.write('next')
    expect(await input(program)).toBe('next')
    program.end()
  })

  test('does not go without a terminal', async () => {
    const hub = new Hub()
    const program = start(hub)
    const client = await attach(hub, { detachKeys: [16, 17] })
    client.write('a\x10\x11b')
    expect(await input(program)).toBe('a\x10\x11b')
    program.end()
  })
})

describe('a client that does not read', () => {
  test('holds the program back until it reads or goes', async () => {
    const hub = new Hub()
    const slow = await attach(hub)
    const program = start(hub)
    const written = await fill(program)
    expect(written).toBeGreaterThan(65_536)
    expect(await fill(program)).toBe(0)
    slow.destroy()
    const next = await attach(hub)
    await say(program, 'and on')
    let seen = ''
    for await (const chunk of next) {
      seen = `${seen}${chunk}`.slice(-6)
      if (seen === 'and on') break
    }
    expect(seen).toBe('and on')
    program.end()
  })

  test('does not hold back the others for longer than it takes to read', async () => {
    const hub = new Hub()
    const [slow, quick] = [await attach(hub), await attach(hub)]
    let seen = 0
    quick.on('data', (chunk: Buffer) => {
      seen += chunk.length
    })
    const program = start(hub)
    const written = await fill(program)
    slow.resume()
    while (seen < written) await new Promise((resolve) => setImmediate(resolve))
    await say(program, 'on')
    program.end()
  })

  test('finds all that the program wrote, however late it reads after the program’s end', async () => {
    const hub = new Hub()
    const slow = await attach(hub, { tty: true })
    const program = start(hub, { tty: true, log })
    rmSync(log, { force: true })
    const written = await fill(program)
    program.end()
    await hub.drained()
    hub.end()
    expect(await buffer(slow)).toHaveLength(written)
  })
})

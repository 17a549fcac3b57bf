import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeFrame } from '../../../src/supervisor/frames.ts'
import { type Ending, type LogQuery, readLog } from '../../../src/supervisor/logs.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-logs-'))
const path = join(directory, 'json.log')
beforeEach(() => rmSync(path, { force: true }))
afterAll(() => rmSync(directory, { recursive: true }))

const all: LogQuery = {
  stdout: true,
  stderr: true,
  timestamps: false,
  since: 0,
  until: 0,
  tail: -1,
  tty: true,
}

/** A line of the log; `second` counts from the epoch. */
const line = (log: string, second = 0, stream = 'stdout'): string =>
  `${JSON.stringify({ log, stream, time: new Date(second * 1000).toISOString() })}\n`

function open(query: Partial<LogQuery> = {}, ending: Ending = null, signal = new AbortController().signal) {
  return readLog(path, { ...all, ...query }, ending, signal)
}

const read = async (query: Partial<LogQuery> = {}): Promise<string> => (await buffer(open(query))).toString()

describe('a log that has been written', () => {
  test('is read from its beginning, both streams in order', async () => {
    writeFileSync(path, line('one\n') + line('two\n', 0, 'stderr') + line('three\n'))
    expect(await read()).toBe('one\ntwo\nthree\n')
  })

  test('is read in frames for a program without terminal', async () => {
    writeFileSync(path, line('one\n') + line('two\n', 0, 'stderr'))
    const frames = [encodeFrame('stdout', Buffer.from('one\n')), encodeFrame('stderr', Buffer.from('two\n'))]
    expect(await buffer(open({ tty: false }))).toEqual(Buffer.concat(frames))
  })

  test('is read without the stream that is not wanted', async () => {
    writeFileSync(path, line('one\n') + line('two\n', 0, 'stderr'))
    expect(await read({ stdout: false })).toBe('two\n')
    expect(await read({ stderr: false })).toBe('one\n')
  })

  test('is read with the time before each line where that is wanted', async () => {
    writeFileSync(path, line('one\n', 1))
    expect(await read({ timestamps: true })).toBe('1970-01-01T00:00:01.000Z one\n')
  })

  test('is read between two times, both included', async () => {
    writeFileSync(path, [1, 2, 3, 4].map((second) => line(`${second}\n`, second)).join(''))
    expect(await read({ since: 2 })).toBe('2\n3\n4\n')
    expect(await read({ until: 3 })).toBe('1\n2\n3\n')
    expect(await read({ since: 2, until: 3 })).toBe('2\n3\n')
    expect(await read({ since: 2.5, until: 2.9 })).toBe('')
  })

  test('that does not exist is empty', async () => {
    expect(await read()).toBe('')
  })

  test('is read on behind a line that a full disk has cut off', async () => {
    writeFileSync(path, `${line('one\n')}{"log":"tw${line('lost\n')}${line('three\n')}`)
    expect(await read()).toBe('one\nthree\n')
  })
})

describe('the tail of a log', () => {
  // More than one block of the search from the end.
  const lines = Array.from({ length: 3_000 }, (_, index) => `${index} ${'x'.repeat(index % 90)}\n`)

  test.each([0, 1, 2, 700, 2_999, 3_000, 5_000])('of %i lines is that many, or all', async (tail) => {
    writeFileSync(path, lines.map((log) => line(log)).join(''))
    expect(await read({ tail })).toBe(lines.slice(Math.max(0, 3_000 - tail)).join(''))
  })

  test('is nothing of an empty log', async () => {
    writeFileSync(path, '')
    expect(await read({ tail: 5 })).toBe('')
  })
})

describe('a log that is followed', () => {
  const follow = (query: Partial<LogQuery> = {}) => {
    const ending = Promise.withResolvers<void>()
    const abort = new AbortController()
    const stream = open(query, ending.promise, abort.signal)
    const ended = new Promise<void>((resolve) => stream.once('close', resolve))
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      stream.emit('grown')
    })
    const until = async (wanted: string): Promise<void> => {
      while (text !== wanted) await new Promise((resolve) => stream.once('grown', resolve))
    }
    return { text: () => text, until, ended, end: ending.resolve, abort: () => abort.abort() }
  }

  test('gives each line once it is whole, and ends with its program', async () => {
    writeFileSync(path, line('old\n'))
    const log = follow()
    await log.until('old\n')
    appendFileSync(path, line('new\n'))
    await log.until('old\nnew\n')
    const [start, rest] = [line('torn\n').slice(0, 9), line('torn\n').slice(9)]
    appendFileSync(path, start)
    appendFileSync(path, rest)
    await log.until('old\nnew\ntorn\n')
    log.end()
    await log.ended
    expect(log.text()).toBe('old\nnew\ntorn\n')
  })

  test('gives what was written right before the end', async () => {
    writeFileSync(path, line('first\n'))
    const log = follow()
    await log.until('first\n')
    appendFileSync(path, line('last\n'))
    log.end()
    await log.ended
    expect(log.text()).toBe('first\nlast\n')
  })

  test('begins at its tail', async () => {
    writeFileSync(path, line('1\n') + line('2\n') + line('3\n'))
    const log = follow({ tail: 1 })
    await log.until('3\n')
    appendFileSync(path, line('4\n'))
    await log.until('3\n4\n')
    log.end()
    await log.ended
  })

  test('ends when its client goes, though the program goes on', async () => {
    writeFileSync(path, line('one\n'))
    const log = follow()
    await log.until('one\n')
    log.abort()
    await log.ended
    expect(log.text()).toBe('one\n')
  })
})

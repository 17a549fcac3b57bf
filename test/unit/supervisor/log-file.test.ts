import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { LogFile } from '../../../src/supervisor/log-file.ts'
import { applyRlimits } from '../../../src/sys/rlimit.ts'
import { chunked } from './chunks.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-log-'))
const path = join(directory, 'json.log')
beforeEach(() => rmSync(path, { force: true }))
afterAll(() => rmSync(directory, { recursive: true }))

interface Entry {
  readonly log: string
  readonly stream: string
  readonly time: string
}

const entries = (): Entry[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)

/** Of the entries that can be read: another may have been cut off. */
const wholeTexts = (): string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => (JSON.parse(line) as Entry).log)

const texts = (): string[] => entries().map(({ log }) => log)

function write(chunks: readonly Buffer[]): void {
  const log = new LogFile(path)
  for (const chunk of chunks) log.write('stdout', chunk)
  log.close()
}

describe('a container’s log', () => {
  test('has one JSON object for each line, with text, stream and time', () => {
    const before = Date.now()
    write([Buffer.from('one\ntwo\n')])
    expect(entries()).toEqual([
      { log: 'one\n', stream: 'stdout', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) },
      { log: 'two\n', stream: 'stdout', time: expect.any(String) },
    ])
    expect(Date.parse(entries()[0]?.time ?? '')).toBeGreaterThanOrEqual(before)
  })

  test('joins what comes in pieces, for each stream by itself', () => {
    const log = new LogFile(path)
    log.write('stdout', Buffer.from('out '))
    log.write('stderr', Buffer.from('err '))
    log.write('stdout', Buffer.from('put\n'))
    log.write('stderr', Buffer.from('or\n'))
    log.close()
    expect(entries()).toMatchObject([
      { log: 'out put\n', stream: 'stdout' },
      { log: 'err or\n', stream: 'stderr' },
    ])
  })

  test('keeps a line without end when the program ends, and empty lines', () => {
    write([Buffer.from('\n\nlast')])
    expect(texts()).toEqual(['\n', '\n', 'last'])
  })

  test('cuts a long line after 16 KiB, also when all of it comes at once', () => {
    const line = `${'x'.repeat(40_000)}\n`
    write([Buffer.from(line)])
    expect(texts().map(({ length }) => length)).toEqual([16_384, 16_384, 7_233])
    expect(texts().join('')).toBe(line)
  })

  test('does not cut a character in two', () => {
    // Four bytes each, the first cut would be in the middle of one.
    const line = `x${'😀'.repeat(5000)}\n`
    write([Buffer.from(line)])
    expect(texts()).toHaveLength(2)
    expect(Buffer.byteLength(texts()[0] ?? '')).toBe(16_381)
    expect(texts().join('')).toBe(line)
  })

  test('writes what is no UTF-8 as replacement characters, and goes on', () => {
    write([Buffer.from([0x61, 0xff, 0x0a]), Buffer.from([0xe2, 0x82])])
    expect(texts()).toEqual(['a\ufffd\n', '\ufffd'])
    rmSync(path)
    write([Buffer.alloc(20_000, 0x80)])
    expect(texts().map(({ length }) => length)).toEqual([16_384, 3_616])
  })

  test('appends to what a former supervisor has written', () => {
    write([Buffer.from('before\n')])
    write([Buffer.from('after\n')])
    expect(texts()).toEqual(['before\n', 'after\n'])
  })

  test('goes on in a line of its own where a killed supervisor has left an entry in the middle', () => {
    write([Buffer.from('before\n')])
    writeFileSync(path, '{"log":"cut o', { flag: 'a' })
    write([Buffer.from('after\n')])
    write([Buffer.from('later\n')])
    expect(wholeTexts()).toEqual(['before\n', 'after\n', 'later\n'])
  })

  test('loses nothing that comes when there is room again', () => {
    const log = new LogFile(path)
    log.write('stdout', Buffer.from('before\n'))
    const { size } = statSync(path)
    try {
      applyRlimits([{ name: 'fsize', soft: size + 20, hard: -1 }])
      log.write('stdout', Buffer.from('too much\n'))
    } finally {
      applyRlimits([{ name: 'fsize', soft: -1, hard: -1 }])
    }
    expect(statSync(path).size).toBe(size + 20)
    log.write('stdout', Buffer.from('after\n'))
    log.close()
    expect(wholeTexts()).toEqual(['before\n', 'after\n'])
  })

  test('loses and reorders nothing, in whatever chunks it comes', () => {
    const text = fc
      .array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('\n'), fc.constant('ä'.repeat(9_000))))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, chunked.cuts, (wanted, cuts) => {
        rmSync(path, { force: true })
        write(chunked.split(Buffer.from(wanted), cuts))
        expect(texts().join('')).toBe(wanted)
        for (const one of texts()) expect(Buffer.byteLength(one)).toBeLessThanOrEqual(16_384)
        for (const one of texts()) expect(one.slice(0, -1)).not.toContain('\n')
      }),
      { numRuns: 60 },
    )
  })
})

import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { showProgress } from '../../../src/cli/progress.ts'

async function shown(messages: readonly object[], terminal: { isTTY?: boolean; columns?: number } = {}) {
  let out = ''
  const bytes = messages.map((message) => `${JSON.stringify(message)}\r\n`).join('')
  // Messages come cut anywhere.
  const chunks = bytes.match(/[\s\S]{1,7}/g) ?? []
  await showProgress(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), {
    ...terminal,
    write: (text) => {
      out += text
    },
  })
  return out
}

const pulling = { id: 'abc', status: 'Downloading', progressDetail: { current: 512_000, total: 1_024_000 } }

describe('showProgress', () => {
  test('prints states as lines and leaves bars out where there is no terminal', async () => {
    const messages = [
      { status: 'Pulling from library/box', id: 'latest' },
      { status: 'Pulling fs layer', progressDetail: {}, id: 'abc' },
      pulling,
      { status: 'Pull complete', progressDetail: {}, id: 'abc' },
    ]
    expect(await shown(messages)).toBe(
      'latest: Pulling from library/box\nabc: Pulling fs layer\nabc: Pull complete\n',
    )
  })

  test('gives each layer a line of the terminal and writes it over', async () => {
    const other = { ...pulling, id: 'def' }
    const out = await shown([pulling, other, pulling], { isTTY: true, columns: 80 })
    const line = (id: string) => `\x1b[2K\r${id}: Downloading    512kB/1.024MB\r`
    expect(out).toBe(
      `\n\x1b[1A${line('abc')}\x1b[1B\n\x1b[1A${line('def')}\x1b[1B\x1b[2A${line('abc')}\x1b[2B`,
    )
  })

  test('draws a bar where it fits', async () => {
    expect(await shown([pulling], { isTTY: true, columns: 120 })).toContain(
      `Downloading [${'='.repeat(25)}>${' '.repeat(25)}]    512kB/1.024MB`,
    )
  })

  test('prints streams as they are', async () => {
    expect(await shown([{ stream: 'Loaded image: box:1\n' }])).toBe('Loaded image: box:1\n')
  })

  test('keeps quiet about notes for programs', async () => {
    expect(await shown([{ aux: { ID: 'x' } }])).toBe('')
  })

  test('throws what went wrong', async () => {
    await expect(shown([{ errorDetail: { message: 'no space left' }, error: 'x' }])).rejects.toThrow(
      'no space left',
    )
  })
})

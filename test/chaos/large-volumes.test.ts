import { closeSync, mkdirSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestDaemon } from '../helpers/daemon.ts'

const directories = 10
const files = 10_000
const entries = directories * (files + 1)

let daemon: TestDaemon
beforeAll(async () => {
  daemon = await TestDaemon.start()
  const data = dataOf((await run('volume', 'create', 'large')).trim())
  for (let directory = 0; directory < directories; directory++) {
    mkdirSync(join(data, `${directory}`))
    for (let file = 0; file < files; file++)
      closeSync(openSync(join(data, `${directory}/${directory}-${file}`), 'w'))
  }
})
afterAll(() => daemon.stop())

const dataOf = (volume: string): string => join(daemon.dataRoot, 'volumes', volume, '_data')
const countIn = (volume: string): number => readdirSync(dataOf(volume), { recursive: true }).length

/** Milliseconds, on a machine that has much else to do. */
const timeout = 600_000

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.tsnetWith({ timeout }, ...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

it('a clone has all of a hundred thousand entries', async () => {
  await run('volume', 'clone', 'large', 'clone')
  expect(countIn('clone')).toBe(entries)
})

it('a rollback brings back all of a hundred thousand entries', async () => {
  await run('volume', 'snapshot', 'large', 'all')
  closeSync(openSync(join(dataOf('large'), 'more'), 'w'))
  await run('volume', 'rollback', '--now', 'large', 'all')
  expect(countIn('large')).toBe(entries)
})

it('an import has all of an archive of a hundred thousand entries, or nothing where fewer are allowed', async () => {
  const archive = join(daemon.root, 'large.tar.zst')
  await run('volume', 'export', '-o', archive, 'large')
  const few = ['volume', 'import', '--max-entries', `${entries - 1}`, 'few', archive]
  const refused = await daemon.tsnetWith({ timeout }, ...few)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`more than ${entries - 1}`) })
  expect((await daemon.tsnet('volume', 'inspect', 'few')).code).toBe(1)
  await run('volume', 'import', 'imported', archive)
  expect(countIn('imported')).toBe(entries)
})

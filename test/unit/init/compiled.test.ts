import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-compiled-'))
const program = join(directory, 'program')
afterAll(() => rmSync(directory, { recursive: true }))

/** Each in a process of its own, as V8's flags are a process's. */
function evaluate(expression: string): string {
  const module = join(import.meta.dirname, '../../../src/init/compiled.ts')
  const script = `const { packProgram, loadProgram } = await import('${module}'); process.stdout.write(String(${expression}))`
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
}

const source = '(function (name) { function greet() { return ["Hello", name].join(" ") } return greet() })'

test('another process runs a packed program without compiling it', () => {
  writeFileSync(program, Buffer.from(evaluate(`packProgram('${source}').toString('base64')`), 'base64'))
  expect(evaluate(`loadProgram('${program}').cachedDataRejected`)).toBe('false')
  expect(evaluate(`loadProgram('${program}').runInThisContext()('Ada')`)).toBe('Hello Ada')
})

test('functions that nothing has called are compiled as well', () => {
  const lazy = Number(evaluate(`new (await import('node:vm')).Script('${source}').createCachedData().length`))
  expect(Number(evaluate(`packProgram('${source}').readUInt32LE(0)`))).toBeGreaterThan(lazy)
})

test('a program whose compiled code V8 does not know runs all the same', () => {
  const file = Buffer.from(evaluate(`packProgram('${source}').toString('base64')`), 'base64')
  writeFileSync(program, file.fill(0, 8, 16))
  expect(evaluate(`loadProgram('${program}').cachedDataRejected`)).toBe('true')
  expect(evaluate(`loadProgram('${program}').runInThisContext()('Ada')`)).toBe('Hello Ada')
})

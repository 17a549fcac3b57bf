import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { findProgram } from '../../../src/init/program.ts'

const root = mkdtempSync(join(tmpdir(), 'tsnet-program-'))
const [one, two] = [join(root, 'one'), join(root, 'two')]
for (const directory of [one, two, join(one, 'folder')]) mkdirSync(directory)
for (const [path, mode] of [
  [join(one, 'plain'), 0o644],
  [join(two, 'plain'), 0o755],
  [join(two, 'tool'), 0o755],
  [join(two, 'folder'), 0o755],
] as const) {
  writeFileSync(path, '')
  chmodSync(path, mode)
}
symlinkSync(join(two, 'tool'), join(one, 'link'))
symlinkSync('nowhere', join(one, 'dangling'))
afterAll(() => rmSync(root, { recursive: true }))

const env = [`PATH=${one}:${join(root, 'missing')}:${two}`]

describe('a program', () => {
  test('is the first executable file of its name in PATH', () => {
    expect(findProgram('tool', env)).toBe(join(two, 'tool'))
    expect(findProgram('link', env)).toBe(join(one, 'link'))
  })

  test('is not a file without the right to execute, and not a directory', () => {
    expect(findProgram('plain', env)).toBe(join(two, 'plain'))
    expect(findProgram('folder', env)).toBe(join(two, 'folder'))
  })

  test('is found by the last PATH of the environment, by the usual one without any', () => {
    expect(findProgram('tool', ['PATH=/nonexistent', `PATH=${two}`])).toBe(join(two, 'tool'))
    expect(findProgram('sh', [])).toMatch(/^\/(usr\/)?bin\/sh$/)
  })

  test('with a slash is that file, whatever PATH says', () => {
    expect(findProgram(join(two, 'tool'), [])).toBe(join(two, 'tool'))
  })

  test.each([
    ['nothing', 'exec: "nothing": executable file not found in $PATH', 127],
    ['dangling', 'exec: "dangling": executable file not found in $PATH', 127],
    [`${one}/none`, `exec: "${one}/none": stat ${one}/none: no such file or directory`, 127],
    [`${one}/plain/x`, `exec: "${one}/plain/x": stat ${one}/plain/x: no such file or directory`, 127],
    [`${one}/folder`, `exec: "${one}/folder": is a directory: permission denied`, 126],
    [`${one}/plain`, `exec: "${one}/plain": permission denied`, 126],
  ])('%s is refused as a shell would', (name, message, exitCode) => {
    expect(() => findProgram(name, env)).toThrow(expect.objectContaining({ message, exitCode }))
  })
})

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository } from '../helpers/daemon.ts'

/** Runs a program where a shared library is an empty file. */
function without(library: string, program: string): string {
  const script = `set -e
    for path in $(ldconfig -p | sed -n 's/.*${library} .* => //p'); do mount --bind /dev/null "$(readlink -f "$path")"; done
    exec "$0" --input-type=module -e "$1"`
  const command = ['--mount', '--propagation', 'private', 'sh', '-c', script, process.execPath, program]
  return execFileSync('unshare', command, { encoding: 'utf8' })
}

it.each([
  ['libzstd.so.1', 'libzstd.ts', 'new module.ZstdCompressor(() => {})', 'libzstd1'],
  ['libz.so.1', 'libz.ts', 'new module.GzipFile("/dev/null")', 'zlib1g'],
])('a machine without %s is told which package brings it', (library, file, use, needed) => {
  const program = `const module = await import(${JSON.stringify(join(repository, 'src/sys', file))})
    try { ${use} } catch (error) { console.log(error.kind, error.message) }`
  expect(without(library, program)).toBe(
    `unsupported ${library} is not installed: apt-get install ${needed}\n`,
  )
})

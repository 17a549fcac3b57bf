/**
 * init's program in one file with what V8 has compiled of it. Each start runs most of its functions once, and a fifth of its
 * processor time would go into compiling them.
 *
 *     0       bytes of compiled code, u32, little endian
 *     8       the compiled code, which V8 takes as it lies there, aligned to 8 bytes
 *     8 + N   the source, ASCII
 */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'

const header = 8

/** Compiles all functions, also those that nothing has called. Another release of V8 takes the source alone. */
export function packProgram(source: string): Buffer {
  setFlagsFromString('--no-lazy')
  const script = new Script(source)
  // Compiled code is taken under the flags alone that it was written under.
  setFlagsFromString('--lazy')
  const code = script.createCachedData()
  const head = Buffer.alloc(header)
  head.writeUInt32LE(code.length, 0)
  return Buffer.concat([head, code, Buffer.from(source, 'latin1')])
}

/** `filename` is what stack traces show. `cachedDataRejected` of the script tells whether it had to be compiled after all. */
export function loadProgram(filename: string): Script {
  const file = readFileSync(filename)
  const start = header + file.readUInt32LE(0)
  return new Script(file.toString('latin1', start), { filename, cachedData: file.subarray(header, start) })
}

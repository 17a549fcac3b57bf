import fc from 'fast-check'
import { expect, test } from 'vitest'
import { missingCallsPrologue } from '../../../src/sys/seccomp-prologue.ts'

const X86_64 = 0xc000003e
const I386 = 0x40000003
const AARCH64 = 0xc00000b7
/** libseccomp's token; the kernel says X86_64 and sets a bit in the number */
const X32 = 0x4000003e
const BIT = 0x40000000

/** A machine for the few instructions: what it returns, or 'filter' when it runs into what follows. */
function run(program: Buffer, architecture: number, number: number): number | 'filter' {
  let accumulator = 0
  for (let at = 0; at * 8 < program.length; at++) {
    const code = program.readUInt16LE(at * 8)
    const k = program.readUInt32LE(at * 8 + 4)
    if (code === 0x20) accumulator = k === 0 ? number : architecture
    else if (code === 0x06) return k
    else {
      const met = { 21: accumulator === k, 37: accumulator > k, 69: (accumulator & k) !== 0 }[code]
      if (met === undefined) throw new Error(`unknown instruction ${code}`)
      at += program.readUInt8(at * 8 + (met ? 2 : 3))
    }
  }
  return 'filter'
}

const ENOSYS = 0x00050000 + 38
const lastCalls = [
  { architecture: X86_64, last: 450 },
  { architecture: I386, last: 452 },
  { architecture: X32, last: BIT + 547 },
]
const program = Buffer.concat(missingCallsPrologue(lastCalls))

test.each([
  ['x86-64', X86_64, 450],
  ['i386', I386, 452],
  ['x32', X86_64, BIT + 547],
])('leaves the last call of %s to the filter and takes the next one', (_, architecture, last) => {
  expect(run(program, architecture, last)).toBe('filter')
  expect(run(program, architecture, last + 1)).toBe(ENOSYS)
})

test('leaves architectures that the profile does not name to the filter', () => {
  expect(run(program, AARCH64, 9999)).toBe('filter')
  const withoutX32 = Buffer.concat(missingCallsPrologue(lastCalls.slice(0, 2)))
  expect(run(withoutX32, X86_64, BIT + 9999)).toBe('filter')
})

test('takes exactly the numbers above the last, on every architecture', () => {
  const arm = Buffer.concat(missingCallsPrologue([{ architecture: AARCH64, last: 450 }]))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: BIT - 1 }), (number) => {
      expect(run(arm, AARCH64, number)).toBe(number > 450 ? ENOSYS : 'filter')
      expect(run(program, X86_64, number)).toBe(number > 450 ? ENOSYS : 'filter')
      expect(run(program, X86_64, BIT + number)).toBe(number > 547 ? ENOSYS : 'filter')
    }),
  )
})

import { describe, expect, test } from 'vitest'
import { parseLocalOptions } from '../../../src/volumes/local/options.ts'

const message = (options: Record<string, string>): string => {
  try {
    parseLocalOptions(options)
  } catch (error) {
    expect(error).toMatchObject({ kind: 'invalid', code: 'volume-option' })
    return (error as Error).message
  }
  return ''
}

describe('options of the local driver', () => {
  test('say nothing by default: a directory of root’s', () => {
    expect(parseLocalOptions({})).toEqual({ place: { kind: 'directory' }, own: null })
  })

  test('name what is mounted', () => {
    expect(parseLocalOptions({ type: 'nfs', device: ':/export', o: 'addr=10.0.0.1,rw' }).place).toEqual({
      kind: 'mount',
      type: 'nfs',
      device: ':/export',
      options: 'addr=10.0.0.1,rw',
      deadline: 30_000,
    })
  })

  test('say how long a server is waited for, which the kernel is not told', () => {
    const mounted = { type: 'nfs', device: ':/export' }
    expect(parseLocalOptions({ ...mounted, o: 'addr=10.0.0.1,timeout=5,rw' }).place).toMatchObject({
      options: 'addr=10.0.0.1,rw',
      deadline: 5000,
    })
    for (const timeout of ['', '0', '-1', '1.5', '3601'])
      expect(message({ ...mounted, o: `timeout=${timeout}` })).toBe(
        `invalid timeout: "${timeout}": give seconds, from 1 to 3600`,
      )
  })

  test('that are empty mount nothing, as with Docker', () => {
    expect(parseLocalOptions({ type: '', device: '', o: '' }).place).toEqual({ kind: 'directory' })
  })

  test.each([
    [{ x: '1' }, 'invalid option: "x"'],
    [{ constructor: '1' }, 'invalid option: "constructor"'],
    [{ type: 'tmpfs' }, 'missing required option: "device"'],
    [{ device: 'tmpfs' }, 'missing required option: "type"'],
    [{ o: 'size=1m' }, 'missing required option: "device"'],
    [{ type: 'tmpfs', device: '' }, 'missing device in volume options'],
  ])('%j are refused in Docker’s words', (options, expected) => {
    expect(message(options)).toBe(expected)
  })

  test('give the owner of what is made, by numbers', () => {
    expect(parseLocalOptions({ own: '1000:2000' }).own).toEqual({ uid: 1000, gid: 2000 })
    for (const own of ['', '1000', 'web:web', '-1:0', '1:4294967295', '1:2:3'])
      expect(message({ own })).toBe(`invalid own: "${own}": give a user's and a group's number, as 1000:1000`)
  })

  test('that contradict each other are refused', () => {
    const mounted = { type: 'none', device: '/srv', o: 'bind' }
    expect(message({ ...mounted, own: '1:1' })).toMatch(/^conflicting options: "own" and "device"/)
    expect(message({ ...mounted, size: '1g' })).toMatch(/^conflicting options: "size" and "device"/)
  })
})

import { describe, expect, test } from 'vitest'
import { formatFailure, readFailure } from '../../../src/cni/failure.ts'
import { formatResult, parseResult } from '../../../src/cni/result.ts'
import { TsnetError } from '../../../src/errors.ts'

const result = {
  interfaces: [
    { name: 'br0', mac: '02:00:00:00:00:01', sandbox: '' },
    { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/ns' },
  ],
  ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 1 }],
  routes: [{ dst: '0.0.0.0/0', gw: '' }],
  dns: { nameservers: ['10.0.0.1'], domain: '', search: ['x.example'], options: [] },
}

describe('a result', () => {
  test('is written as each version has it, and read again', () => {
    expect(formatResult('0.4.0', result)).toMatchObject({ ips: [{ version: '4', address: '10.0.0.2/24' }] })
    for (const version of ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const)
      expect(parseResult('x', formatResult(version, result))).toEqual(result)
    expect(JSON.stringify(formatResult('1.0.0', result))).not.toContain('version":"4"')
  })

  test('that is none is refused with the plugin’s name', () => {
    const refusals: [unknown, string][] = [
      [[], 'it is no JSON object'],
      [{ ips: {} }, 'ips is no list'],
      [{ ips: [{ address: '10.0.0.2' }] }, 'address "10.0.0.2" is none'],
      [{ ips: [{ address: '10.0.0.2/24', gateway: 'x' }] }, 'gateway "x" is none'],
      [{ interfaces: [{}] }, 'name is missing'],
      [{ routes: [7] }, '7 is none of routes'],
    ]
    for (const [json, what] of refusals)
      expect(() => parseResult('bad', json)).toThrow(`CNI plugin bad: its result is wrong: ${what}`)
  })
})

describe('a failure', () => {
  test('tells what the plugin said, or what else it printed', () => {
    const said = readFailure('p', 'ADD', '{"code":7,"msg":"no subnet","details":"give one"}', '')
    expect(said).toMatchObject({ kind: 'invalid', message: 'CNI plugin p (ADD): no subnet; give one' })
    expect(readFailure('p', 'DEL', '', 'panic: x\n').message).toBe('CNI plugin p (DEL): panic: x')
    expect(readFailure('p', 'DEL', '', '').message).toContain('without a word')
  })

  test('of tsnet’s own has a code of the specification', () => {
    const codeOf = (error: unknown) => (formatFailure('1.0.0', error) as { code: number }).code
    expect(codeOf(new TsnetError('unsupported', 'cni-version', 'x'))).toBe(1)
    expect(codeOf(new TsnetError('invalid', 'x', 'x'))).toBe(7)
    expect(codeOf(new TsnetError('unavailable', 'x', 'x'))).toBe(11)
    expect(codeOf(new Error('x'))).toBe(100)
  })
})

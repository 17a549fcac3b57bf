import { describe, expect, it } from 'vitest'
import { addressesIn, differenceOf, linesOf } from './answer.ts'

const lines = (stdout: string, script = '') => linesOf({ code: 0, stdout, stderr: '' }, addressesIn(script))

describe('an answer', () => {
  it('tells its exit status and what is complained about', () => {
    expect(linesOf({ code: 1, stdout: 'one\n\ntwo \n', stderr: 'bad\n' }, new Set())).toEqual([
      'exit status 1',
      'one',
      'two',
      'stderr: bad',
    ])
  })

  it('leaves out what is new each time', () => {
    expect(lines(`${'a1'.repeat(32)} ${'b2'.repeat(6)} vethab12cd3 2026-11-21T12:13:31.402197307Z`)).toEqual([
      'ID ID VETH TIME',
    ])
    expect(lines('on endpoint brisk_noether (by container calm_hopper2)')).toEqual([
      'on endpoint NAME (by container NAME)',
    ])
  })

  it('keeps the addresses that the script gives', () => {
    const script = '--mac-address 92:00:00:00:00:01 --dns 9.9.9.9'
    expect(lines('92:00:00:00:00:01 02:42:ac:11:00:02', script)).toEqual(['92:00:00:00:00:01 MAC'])
    expect(lines('nameserver 9.9.9.9\nnameserver 10.1.2.3\nnameserver 127.0.0.11', script)).toEqual([
      'nameserver 9.9.9.9',
      'nameserver UPSTREAM',
      'nameserver 127.0.0.11',
    ])
  })

  it('of JSON has a line for each value that tells something, in the order of the names', () => {
    expect(lines('[{"b":{"c":1,"a":""},"a":[true,null],"d":{},"e":null}]')).toEqual([
      '[0].a[0]: true',
      '[0].b.a: ""',
      '[0].b.c: 1',
    ])
    expect(lines('{"a":1}\n{"a":2}')).toEqual(['0.a: 1', '1.a: 2'])
  })
})

describe('the difference of two answers', () => {
  it('is what either has alone', () => {
    expect(differenceOf(['a', 'b', 'b'], ['b', 'c'])).toEqual(['- a', '- b', '+ c'])
    expect(differenceOf(['a', 'b'], ['a', 'b'])).toEqual([])
  })

  it('may be their order', () => {
    expect(differenceOf(['a', 'b'], ['b', 'a'])).toEqual(['- a', '- b', '+ b', '+ a'])
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blockAround, blockPrefix, blocksFor, dynamicAddresses } from '../../../src/ipam/cluster/blocks.ts'
import {
  type Answer,
  type Claim,
  formatAnswer,
  formatClaim,
  parseAnswer,
  parseClaim,
} from '../../../src/ipam/cluster/claims.ts'
import { Holdings } from '../../../src/ipam/cluster/holdings.ts'
import { containsCidr, containsIp, overlaps, parseCidr } from '../../../src/values/cidr.ts'

describe('blocks', () => {
  test.each([
    ['10.0.0.0/8', 24],
    ['10.0.0.0/16', 26],
    ['10.0.0.0/20', 27],
    ['10.0.0.0/24', 28],
    ['10.0.0.0/26', 29],
    ['10.0.0.0/29', 31],
    ['10.0.0.0/31', 32],
    ['10.0.0.0/32', 32],
    ['fd00::/64', 112],
    ['fd00::/120', 124],
  ])('of %s are /%i', (range, prefix) => expect(blockPrefix(parseCidr(range))).toBe(prefix))

  test('of a range cover it once, wherever a host begins', () => {
    const range = fc.integer({ min: 16, max: 32 }).map((prefix) => parseCidr(`10.7.0.0/${prefix}`))
    fc.assert(
      fc.property(range, fc.string(), (subnet, host) => {
        const blocks = [...blocksFor(subnet, host)].map(parseCidr)
        expect(blocks.every((block) => containsCidr(subnet, block))).toBe(true)
        expect(new Set(blocks.map(({ first }) => first)).size).toBe(blocks.length)
        const sum = blocks.reduce((total, { first, last }) => total + (last - first + 1n), 0n)
        expect(sum).toBe(subnet.last - subnet.first + 1n)
        expect(Number(sum)).toBe(dynamicAddresses(subnet))
      }),
      { numRuns: 30 },
    )
  })

  test('of a large IPv6 subnet are as many as anybody needs', () => {
    const subnet = parseCidr('fd00::/64')
    const blocks = [...blocksFor(subnet, 'h1')]
    expect(blocks).toHaveLength(65_536)
    expect(overlaps(subnet, parseCidr(blocks.at(-1)!))).toBe(true)
  })

  test('around an address hold it', () => {
    expect(blockAround(parseCidr('10.1.0.0/24'), '10.1.0.77')).toBe('10.1.0.64/28')
  })
})

describe('what hosts write to each other', () => {
  const word = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,20}$/)
  const text = fc.stringMatching(/^[a-zA-Z0-9 _.-]{0,40}$/)

  test('is read as it was meant', () => {
    const claim: fc.Arbitrary<Claim> = fc.record({
      node: word,
      endpoint: word,
      question: fc.oneof(fc.constant(''), word),
      who: text,
    })
    fc.assert(
      fc.property(claim, (one) => {
        expect(parseClaim(formatClaim(one))).toEqual(one)
      }),
    )
    const answer: fc.Arbitrary<Answer> = fc.record({
      node: word,
      question: word.filter((one) => one !== '-'),
      verdict: fc.constantFrom('granted', 'refused', 'try', 'full'),
      text,
    })
    fc.assert(
      fc.property(answer, (one) => {
        expect(parseAnswer(formatAnswer(one))).toEqual(one)
      }),
    )
  })

  test('is passed over when it is nothing of the kind', () => {
    expect(parseClaim('h1')).toBeUndefined()
    expect(parseAnswer('h1 abc perhaps ')).toBeUndefined()
  })
})

describe('a host’s part of a subnet', () => {
  const subnet = parseCidr('10.1.0.0/24')
  const open = () =>
    new Holdings('mesh', subnet, subnet, [
      { address: '10.1.0.1', owner: 'mesh' },
      { address: '10.1.0.20', owner: 'auxiliary:printer' },
    ])

  test('gives out what is in its blocks, without what is the network’s or was left to others', () => {
    const holdings = open()
    holdings.addBlock('10.1.0.16/28', { '10.1.0.21': 'container db on h2' })
    const given = Array.from({ length: 20 }, (_, index) => holdings.takeFree(`web${index}`))
    expect(given.filter((address) => address !== null)).toHaveLength(14)
    expect(given).not.toContain('10.1.0.20')
    expect(given).not.toContain('10.1.0.21')
    expect(given.every((one) => one === null || containsIp(parseCidr('10.1.0.16/28'), one))).toBe(true)
  })

  test('has empty blocks when nothing is leased or left to others', () => {
    const holdings = open()
    holdings.addBlock('10.1.0.0/28', {})
    holdings.addBlock('10.1.0.16/28', { '10.1.0.21': 'container db on h2' })
    holdings.addBlock('10.1.0.32/28', {})
    holdings.take('10.1.0.33', 'web')
    expect(holdings.emptyBlocks()).toEqual(['10.1.0.0/28'])
    holdings.takeBack('10.1.0.21')
    holdings.release('10.1.0.33', 'web')
    expect(holdings.emptyBlocks()).toEqual(['10.1.0.0/28', '10.1.0.16/28', '10.1.0.32/28'])
  })

  test('leaves to others what is not used, and nothing that is', () => {
    const holdings = open()
    holdings.addBlock('10.1.0.32/28', {})
    holdings.take('10.1.0.33', 'web')
    expect(holdings.leave('10.1.0.33', 'container db on h2')).toBe(false)
    expect(holdings.leave('10.1.0.34', 'container db on h2')).toBe(true)
    expect(holdings.take('10.1.0.34', 'web')).toBe(false)
    expect(holdings.held).toEqual({ '10.1.0.32/28': { '10.1.0.34': 'container db on h2' } })
    holdings.keep('10.1.0.33', 'web')
    expect(holdings.leave('10.1.0.33', 'container db on h2')).toBe(true)
  })

  test('takes single addresses into a block that becomes its own', () => {
    const holdings = open()
    holdings.addSingle('10.1.0.40', 'web')
    expect(holdings.take('10.1.0.40', 'other')).toBe(false)
    expect(holdings.addBlock('10.1.0.32/28', {})).toEqual(['10.1.0.40'])
    expect(holdings.singles.size).toBe(0)
    expect(holdings.holder('10.1.0.40')).toBe('web')
    expect(holdings.dropBlock('10.1.0.32/28')).toEqual([{ owner: 'web', address: '10.1.0.40' }])
  })

  test('counts what it knows', () => {
    const holdings = open()
    expect(holdings.usage).toEqual({ inUse: 4, available: 252 })
    holdings.addBlock('10.1.0.32/28', {})
    holdings.takeFree('web')
    expect(holdings.usage).toEqual({ inUse: 5, available: 251 })
  })
})

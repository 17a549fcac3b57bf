import { expect, test } from 'vitest'
import {
  checkContainerName,
  checkNetworkName,
  checkVolumeName,
  randomName,
} from '../../../src/values/name.ts'
import { adjectives, surnames } from '../../../src/values/words.ts'

test('a container name loses the slash that clients put before it', () => {
  expect(checkContainerName('/web.1_a-b')).toBe('web.1_a-b')
})

test.each(['', 'a', '-web', '_web', 'we b', 'web/db', '//web', 'wéb', 'web\n'])(
  '%j is no container name',
  (name) => {
    expect(() => checkContainerName(name)).toThrow(
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    )
  },
)

test('a network name may have one character, none and a blank are refused', () => {
  expect(checkNetworkName('n')).toBe('n')
  expect(() => checkNetworkName(' ')).toThrow('invalid name: name is empty')
  expect(() => checkNetworkName('my net')).toThrow(/"my net" includes invalid characters/)
})

test('a volume name with a path in it is told to be absolute', () => {
  expect(() => checkVolumeName('./data')).toThrow(
    '"./data" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ' +
      'If you intended to pass a host directory, use absolute path',
  )
  expect(() => checkVolumeName('v')).toThrow('volume name is too short')
  expect(() => checkVolumeName('ä')).toThrow('"ä" includes invalid characters')
})

test('a volume name is at most as long as a directory’s may be', () => {
  expect(checkVolumeName('v'.repeat(255))).toHaveLength(255)
  expect(() => checkVolumeName('v'.repeat(256))).toThrow(
    'volume name is too long: 256 characters, at most 255 are allowed',
  )
})

test('every random name is a container name, and enough of them exist', () => {
  for (const adjective of adjectives)
    for (const surname of surnames) checkContainerName(`${adjective}_${surname}`)
  expect(new Set(adjectives).size * new Set(surnames).size).toBeGreaterThan(15_000)
  expect([adjectives.length, surnames.length]).toEqual([new Set(adjectives).size, new Set(surnames).size])
  expect(randomName(1)).toMatch(/^[a-z]+_[a-z]+\d$/)
})

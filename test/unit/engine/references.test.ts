import { describe, expect, test } from 'vitest'
import { findContainer, findNetwork } from '../../../src/engine/references.ts'
import type { ContainerRecord, NetworkRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import type { ContainerId } from '../../../src/values/id.ts'
import { plan, networks as samples } from './samples.ts'

const named = (name: string, start: string): ContainerRecord => ({
  ...plan(),
  name,
  id: start.padEnd(64, '0') as ContainerId,
})

const store = openStore(':memory:')
for (const one of [named('web', 'abc1'), named('db', 'abc2'), named('abc2', 'def'), named('ab', '123')]) {
  store.containers.put(one.id, one)
}
for (const one of samples) store.networks.put(one.id, one satisfies NetworkRecord)

const container = (ref: string): string => findContainer(store.containers, ref).name

describe('a container is found', () => {
  test.each([
    ['its name', 'web', 'web'],
    ['its name with Docker’s slash', '/web', 'web'],
    ['its whole id', 'abc1'.padEnd(64, '0'), 'web'],
    ['a prefix of its id that no other has', 'abc1', 'web'],
    ['its name though that is the prefix of another’s id', 'abc2', 'abc2'],
    ['its name though that is the prefix of several ids', 'ab', 'ab'],
  ])('by %s', (_, ref, name) => {
    expect(container(ref)).toBe(name)
  })

  test('not by a prefix that several have: the error counts them', () => {
    expect(() => container('abc')).toThrow(
      'multiple IDs found with provided prefix: abc (2 containers): give more digits of the id, or the name',
    )
  })

  test.each([['nobody'], [''], ['/'], ['WEB']])('not by %j', (ref) => {
    expect(() => container(ref)).toThrow(
      expect.objectContaining({ kind: 'not-found', message: `No such container: ${ref}` }),
    )
  })
})

describe('a network is found', () => {
  test('by its name, and the default one by `default`', () => {
    expect(findNetwork(store.networks, 'back').name).toBe('back')
    expect(findNetwork(store.networks, 'default').name).toBe('bridge')
  })

  test('not when there is none', () => {
    expect(() => findNetwork(store.networks, 'nowhere')).toThrow(
      expect.objectContaining({ kind: 'not-found', message: 'network nowhere not found' }),
    )
  })
})

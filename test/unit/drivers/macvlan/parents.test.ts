import { expect, test } from 'vitest'
import { type Kind, parseMacvlanOptions } from '../../../../src/drivers/macvlan/options.ts'
import { ParentUsers } from '../../../../src/drivers/macvlan/parents.ts'
import type { NetworkRecord } from '../../../../src/store/records.ts'

const add = (
  users: ParentUsers,
  kind: Kind,
  name: string,
  options: Record<string, string>,
): NetworkRecord => {
  const network = { id: name, name, options } as unknown as NetworkRecord
  users.add(kind, network, parseMacvlanOptions(kind, network))
  return network
}

test('a parent is found in use as long as one network of either kind stands on it', () => {
  const users = new ParentUsers()
  const first = add(users, 'macvlan', 'first', { parent: 'eth0.10' })
  const second = add(users, 'ipvlan', 'second', { parent: 'eth0.10' })
  expect(users.find('eth0.11')).toBeUndefined()
  users.remove(first.id)
  expect(users.find('eth0.10')).toBe('second')
  users.remove(second.id)
  expect(users.find('eth0.10')).toBeUndefined()
})

test('networks without a parent are in nobody’s way, and one that is added again not in its own', () => {
  const users = new ParentUsers()
  add(users, 'ipvlan', 'first', {})
  add(users, 'ipvlan', 'second', {})
  add(users, 'ipvlan', 'third', { parent: 'eth0' })
  add(users, 'ipvlan', 'third', { parent: 'eth0' })
  expect(() => add(users, 'ipvlan', 'fourth', { parent: 'eth0' })).toThrow(
    'network third is already using parent interface eth0',
  )
})

test('what is to be kept is of one kind, and leaves the other alone', () => {
  const users = new ParentUsers()
  const kept = add(users, 'macvlan', 'kept', { parent: 'a' })
  add(users, 'macvlan', 'lost', { parent: 'b' })
  add(users, 'ipvlan', 'other', { parent: 'c' })
  users.keep('macvlan', [kept])
  expect(['a', 'b', 'c'].map((parent) => users.find(parent))).toEqual(['kept', undefined, 'other'])
})

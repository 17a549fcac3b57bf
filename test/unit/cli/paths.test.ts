import { expect, test } from 'vitest'
import {
  checkName,
  containerPath,
  driverPath,
  imagePath,
  networkPath,
  ownVolumePath,
  trashPath,
  volumePath,
} from '../../../src/cli/paths.ts'

test('a name is a part of its path, whatever is in it', () => {
  expect(containerPath('a b', 'json')).toBe('/containers/a%20b/json')
  expect(networkPath('a/b')).toBe('/networks/a%2Fb')
  expect(networkPath('net', 'connect')).toBe('/networks/net/connect')
  expect(imagePath('host:5000/a b:1', 'json')).toBe('/images/host%3A5000/a%20b%3A1/json')
  expect(trashPath('v?', 'restore')).toBe('/tsnet/v1/volumes/trash/v%3F/restore')
})

test.each([
  ['container', containerPath],
  ['network', networkPath],
  ['volume', volumePath],
  ['volume', (name: string) => ownVolumePath(name, 'update')],
  ['volume', trashPath],
  ['driver', driverPath],
  ['container', (name: string) => checkName('container', name)],
] as const)('the empty name of a %s is refused, and does not become the path of all', (kind, path) => {
  for (const name of ['', ' ']) {
    expect(() => path(name)).toThrow(`invalid ${kind} name or ID: value is empty`)
  }
})

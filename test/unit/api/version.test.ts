import { describe, expect, test } from 'vitest'
import { requestedVersion, stripVersion, type VersionedMessage } from '../../../src/api/version.ts'

const message = (url: string): VersionedMessage => ({ url }) as VersionedMessage
const ask = (url: string): number => {
  const one = message(url)
  stripVersion(one)
  return requestedVersion(one)
}

describe('a path', () => {
  test.each([
    ['/v1.43/containers/json?all=1', '/containers/json?all=1', '1.43'],
    ['/containers/json', '/containers/json', undefined],
    ['/v1.43', '/v1.43', undefined],
    ['/volumes/v1.43/', '/volumes/v1.43/', undefined],
    ['/vast/x', '/vast/x', undefined],
  ])('%s is routed as %s', (url, path, version) => {
    const one = message(url)
    expect(stripVersion(one)).toBe(path)
    expect(one.dockerVersion).toBe(version)
  })
})

describe('a version', () => {
  test('is the newest when none is asked for', () => {
    expect(ask('/info')).toBe(50)
  })

  test.each([24, 41, 50])('of 1.%i is spoken', (minor) => {
    expect(ask(`/v1.${minor}/info`)).toBe(minor)
  })

  test.each(['1.51', '1.100', '2.0', '9.24'])('of %s is refused as too new', (version) => {
    expect(() => ask(`/v${version}/info`)).toThrow(
      `client version ${version} is too new. Maximum supported API version is 1.50`,
    )
  })

  test.each(['1.23', '1.2', '0.99', '1'])('of %s is refused as too old', (version) => {
    expect(() => ask(`/v${version}/info`)).toThrow(
      `client version ${version} is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version`,
    )
  })
})

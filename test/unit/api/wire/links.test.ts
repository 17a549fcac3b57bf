import { describe, expect, test } from 'vitest'
import type { HostConfig } from '../../../../src/api/schema/container-create.ts'
import { toContainerSpec } from '../../../../src/api/wire/container-create.ts'
import { toHostConfig } from '../../../../src/api/wire/host-config.ts'

function specOf(host: Partial<HostConfig>) {
  return toContainerSpec({ Image: 'demo', HostConfig: host as HostConfig }, { apiVersion: 50, cpus: 1 }).spec
}

describe('HostConfig.Links', () => {
  test.each([
    ['web', 'web:web'],
    ['web:front', 'web:front'],
    ['/web:/me/front', 'web:front'],
  ])('%s of a container on the default network means %s', (link, meant) => {
    expect(specOf({ Links: [link] }).endpoints['bridge']?.links).toEqual([meant])
  })

  test('comes back from inspect as Docker has it, and may be posted again', () => {
    const spec = specOf({ Links: ['web:front'] })
    const { Links } = toHostConfig(spec, 'me')
    expect(Links).toEqual(['/web:/me/front'])
    expect(specOf({ Links: [...(Links ?? [])] })).toEqual(spec)
  })

  test('does not count on other networks, whose endpoints have links of their own', () => {
    expect(specOf({ NetworkMode: 'mynet', Links: ['web:front'] }).endpoints).toEqual({})
  })

  test.each([':front', 'web:', 'a:b:c'])('%s is refused', (link) => {
    expect(() => specOf({ Links: [link] })).toThrow(`bad format for links: ${link}`)
  })

  test('is refused on the host’s network', () => {
    expect(() => specOf({ NetworkMode: 'host', Links: ['web'] })).toThrow(
      /host type networking can't be used with links/,
    )
  })
})

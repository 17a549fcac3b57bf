import { describe, expect, test } from 'vitest'
import {
  hostNetworkHostsText,
  hostnameText,
  hostsText,
  ownHost,
  parseExtraHosts,
} from '../../../src/sandbox/files.ts'

describe('/etc/hosts', () => {
  test('has Docker’s lines, then the extra hosts, then the container’s own', () => {
    const text = hostsText(parseExtraHosts(['db:10.0.0.9'], []), [ownHost('172.18.0.2', 'web', '')])
    expect(text).toBe(
      [
        '127.0.0.1\tlocalhost',
        '::1\tlocalhost ip6-localhost ip6-loopback',
        'fe00::\tip6-localnet',
        'ff00::\tip6-mcastprefix',
        'ff02::1\tip6-allnodes',
        'ff02::2\tip6-allrouters',
        '10.0.0.9\tdb',
        '172.18.0.2\tweb',
        '',
      ].join('\n'),
    )
  })

  test('a container with a domain has its full name first', () => {
    expect(ownHost('172.18.0.2', 'web', 'example.org').names).toEqual(['web.example.org', 'web'])
  })

  test('on the host’s network it is the host’s, with the extra hosts on lines of their own', () => {
    const extra = parseExtraHosts(['db:10.0.0.9'], [])
    expect(hostNetworkHostsText('127.0.0.1 localhost', extra)).toBe('127.0.0.1 localhost\n10.0.0.9\tdb\n')
    expect(hostNetworkHostsText('127.0.0.1 localhost\n', [])).toBe('127.0.0.1 localhost\n')
    expect(hostNetworkHostsText('', extra)).toBe('10.0.0.9\tdb\n')
  })
})

describe('--add-host', () => {
  test('takes addresses of both families, bare and in brackets', () => {
    expect(parseExtraHosts(['a:10.0.0.9', 'b:fd00::9', 'c:[fd00::9]', 'd:::1'], [])).toEqual([
      { address: '10.0.0.9', names: ['a'] },
      { address: 'fd00::9', names: ['b'] },
      { address: 'fd00::9', names: ['c'] },
      { address: '::1', names: ['d'] },
    ])
  })

  test('host-gateway stands for every address of the default bridge', () => {
    expect(parseExtraHosts(['host.docker.internal:host-gateway'], ['172.17.0.1', 'fd00::1'])).toEqual([
      { address: '172.17.0.1', names: ['host.docker.internal'] },
      { address: 'fd00::1', names: ['host.docker.internal'] },
    ])
  })

  test('host-gateway without a gateway is refused', () => {
    expect(() => parseExtraHosts(['h:host-gateway'], [])).toThrow(
      /unable to derive the IP value for host-gateway/,
    )
  })

  test.each(['nonsense', ':10.0.0.9', 'a:', 'a:10.0.0', 'a:10.0.0.9:80', 'a:gateway'])(
    '%s is refused',
    (value) => {
      expect(() => parseExtraHosts([value], ['172.17.0.1'])).toThrow(
        expect.objectContaining({
          kind: 'invalid',
          message: expect.stringContaining('bad format for add-host'),
        }),
      )
    },
  )
})

test('/etc/hostname is one line', () => {
  expect(hostnameText('web')).toBe('web\n')
})

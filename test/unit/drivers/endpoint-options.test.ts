import { describe, expect, test } from 'vitest'
import { parseEndpointOptions, sysctlsOf } from '../../../src/drivers/endpoint-options.ts'

const name = (value: string) => parseEndpointOptions({ 'com.docker.network.endpoint.ifname': value })
const sysctls = (value: string) => parseEndpointOptions({ 'com.docker.network.endpoint.sysctls': value })

describe('options of every endpoint', () => {
  test('are taken out, and the driver’s own are left', () => {
    expect(
      parseEndpointOptions({ 'com.docker.network.endpoint.ifname': 'lan0', 'com.example.speed': '9' }),
    ).toEqual({ interfaceName: 'lan0', sysctls: [], others: { 'com.example.speed': '9' } })
    expect(parseEndpointOptions({})).toEqual({ interfaceName: '', sysctls: [], others: {} })
  })

  test.each(['a-name-of-16-byte', 'a b', 'a/b', 'lo', 'all', 'default'])(
    'an interface is not named %j',
    (bad) => {
      expect(() => name(bad)).toThrow(expect.objectContaining({ kind: 'invalid' }))
    },
  )

  test('sysctls have the interface’s name filled in, whatever the case of the placeholder', () => {
    const options = sysctls(
      'net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.accept_ra=2,net.ipv4.neigh.IFNAME.gc_stale_time=a=b',
    )
    expect(sysctlsOf(options, 'eth0.10')).toEqual({
      'net/ipv4/conf/eth0.10/log_martians': '1',
      'net/ipv6/conf/eth0.10/accept_ra': '2',
      'net/ipv4/neigh/eth0.10/gc_stale_time': 'a=b',
    })
  })

  test.each([
    'net.ipv4.conf.eth0.log_martians=1',
    'net.core.conf.IFNAME.x=1',
    'kernel.ipv4.conf.IFNAME.x=1',
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.IFNAME.x/../../../../kernel/core_pattern=x',
    'net.ipv4.conf.IFNAME.../../kernel.x=1',
    '',
  ])('the sysctl %j is refused in Docker’s words', (bad) => {
    expect(() => sysctls(`net.ipv4.conf.IFNAME.log_martians=1,${bad}`)).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: expect.stringContaining(
          `unrecognised network interface sysctl '${bad}'; represent 'net.X.Y.ethN.Z=V'`,
        ),
      }),
    )
  })

  test('a sysctl without a value is refused', () => {
    expect(() => sysctls('net.ipv4.conf.IFNAME.log_martians')).toThrow(/to have format name=value/)
  })
})

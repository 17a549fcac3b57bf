import { describe, expect, test } from 'vitest'
import { formatPorts } from '../../../src/cli/list-ports.ts'

const tcp = (PrivatePort: number, PublicPort?: number, IP?: string) => ({
  Type: 'tcp',
  PrivatePort,
  ...(PublicPort !== undefined && { PublicPort }),
  ...(IP !== undefined && { IP }),
})

describe('formatPorts', () => {
  test.each([
    [[tcp(80)], '80/tcp'],
    [[tcp(80, 8080, '0.0.0.0'), tcp(80, 8080, '::')], '0.0.0.0:8080->80/tcp, [::]:8080->80/tcp'],
    [[tcp(81), tcp(80), tcp(82), tcp(90)], '80-82/tcp, 90/tcp'],
    [[tcp(80, 80, '::'), tcp(80, 80, '0.0.0.0')], '0.0.0.0:80->80/tcp, [::]:80->80/tcp'],
    [[tcp(80, 80, '1.2.3.4'), tcp(81, 81, '1.2.3.4')], '1.2.3.4:80-81->80-81/tcp'],
    [[tcp(80, 9000, '1.2.3.4'), tcp(443)], '443/tcp, 1.2.3.4:9000->80/tcp'],
    [[{ ...tcp(80, 80, '1.2.3.4'), Count: 3 }, tcp(83, 83, '1.2.3.4')], '1.2.3.4:80-83->80-83/tcp'],
    [[{ ...tcp(80, 90, '1.2.3.4'), Count: 2 }], '1.2.3.4:90->80/tcp, 1.2.3.4:91->81/tcp'],
    [
      ['::', '0.0.0.0'].map((address) => ({ ...tcp(80, 90, address), Count: 2 })),
      '0.0.0.0:90->80/tcp, [::]:90->80/tcp, 0.0.0.0:91->81/tcp, [::]:91->81/tcp',
    ],
    [[tcp(80, undefined, '::')], '80/tcp'],
    [null, ''],
  ])('prints %j', (ports, expected) => {
    expect(formatPorts(ports)).toBe(expected)
  })

  test('keeps protocols apart', () => {
    expect(formatPorts([tcp(53), { ...tcp(53), Type: 'udp' }, tcp(54)])).toBe('53-54/tcp, 53/udp')
  })
})

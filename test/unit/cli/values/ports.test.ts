import { describe, expect, test } from 'vitest'
import { parseExpose, parsePublish } from '../../../../src/cli/values/ports.ts'

const show = (text: string) =>
  parsePublish(text).map(({ hostIp, hostPort, port }) => [hostIp, hostPort, port])

describe('parsePublish', () => {
  test.each([
    ['80', [['', '', '80/tcp']]],
    ['8080:80', [['', '8080', '80/tcp']]],
    ['8080:80/udp', [['', '8080', '80/udp']]],
    ['8080:80/SCTP', [['', '8080', '80/sctp']]],
    ['127.0.0.1:8080:80', [['127.0.0.1', '8080', '80/tcp']]],
    ['127.0.0.1::80', [['127.0.0.1', '', '80/tcp']]],
    ['[::1]:8080:80', [['::1', '8080', '80/tcp']]],
    ['::1:8080:80', [['::1', '8080', '80/tcp']]],
    ['0:80', [['', '0', '80/tcp']]],
    ['eth1:8080:80', [['eth1', '8080', '80/tcp']]],
    ['eth1.10::80/udp', [['eth1.10', '', '80/udp']]],
    [
      '8000-8001:80-81',
      [
        ['', '8000', '80/tcp'],
        ['', '8001', '81/tcp'],
      ],
    ],
    [
      '80-81/udp',
      [
        ['', '', '80/udp'],
        ['', '', '81/udp'],
      ],
    ],
    ['8000-8010:80', [['', '8000-8010', '80/tcp']]],
    ['published=8080,target=80,protocol=udp', [['', '8080', '80/udp']]],
    ['target=80', [['', '', '80/tcp']]],
  ])('reads %s', (text, expected) => {
    expect(show(text)).toEqual(expected)
  })

  test.each([
    ['', 'no port specified: <empty>'],
    ['8080:', 'no port specified: 8080:<empty>'],
    ['x', 'invalid containerPort: x'],
    ['70000', 'invalid containerPort: 70000'],
    ['81-80', 'invalid containerPort: 81-80'],
    ['x:80', 'invalid hostPort: x'],
    ['8000-8001:80-82', 'invalid ranges specified for container and host Ports: 80-82 and 8000-8001'],
    ['8000:80-82', 'invalid ranges specified for container and host Ports: 80-82 and 8000'],
    ['80/icmp', 'invalid proto: icmp'],
    ['1.2.3:8080:80', 'invalid IP address: 1.2.3'],
    ['a%b:8080:80', 'invalid IP address: a%b'],
    ['[eth1]:8080:80', 'invalid IP address: eth1'],
    ['80,from=x', 'invalid CIDR address: x'],
    ['80,from=10.0.0.0/33', 'invalid CIDR address: 10.0.0.0/33'],
    ['80,x', "invalid publish opts format (should be name=value but got '80')"],
    ['published=80,x', "invalid publish opts format (should be name=value but got 'x')"],
  ])('refuses %j', (text, message) => {
    expect(() => parsePublish(text)).toThrow(message)
  })
})

test('publish takes the clients that may use a port', () => {
  const from = (text: string) => parsePublish(text).map((one) => one.from)
  expect(from('8080:80')).toEqual([[]])
  expect(from('8080:80,from=10.0.0.0/8')).toEqual([['10.0.0.0/8']])
  expect(from('80-81,from=10.1.2.3,from=fd00::/8')).toEqual([
    ['10.1.2.3', 'fd00::/8'],
    ['10.1.2.3', 'fd00::/8'],
  ])
  expect(from('target=80,published=8080,from=10.0.0.0/8')).toEqual([['10.0.0.0/8']])
})

test('expose takes a port or a range of them', () => {
  expect(parseExpose('53/udp')).toEqual(['53/udp'])
  expect(parseExpose('80-82')).toEqual(['80/tcp', '81/tcp', '82/tcp'])
  expect(() => parseExpose('x')).toThrow('invalid range format for --expose')
})

import { describe, expect, it } from 'vitest'
import { readPorts } from '../../../src/guest/ports.ts'

const port = (fields: object): object => ({ Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 0, ...fields })
const read = (...ports: object[]) =>
  readPorts({ 'com.docker.network.portmap': ports }).map(
    ({ protocol, containerPort, hostAddress, hostPort, hostPortEnd, count }) =>
      `${hostAddress}:${hostPort}-${hostPortEnd}>${containerPort}x${count}/${protocol}`,
  )

describe('ports as dockerd tells them', () => {
  it('are none where nothing is said', () => {
    expect(readPorts({})).toEqual([])
    expect(readPorts({ 'com.docker.network.portmap': null })).toEqual([])
  })

  it('are of each protocol, at an address or at all, fixed, chosen freely or from a range', () => {
    expect(
      read(
        port({}),
        port({ Proto: 17, Port: 53, HostIP: '127.0.0.1', HostPort: 5353, HostPortEnd: 5353 }),
        port({ Proto: 132, Port: 99, HostPort: 8000, HostPortEnd: 8010 }),
      ),
    ).toEqual(['127.0.0.1:5353-5353>53x1/udp', ':0-0>80x1/tcp', ':8000-8010>99x1/sctp'])
  })

  it('become a range where both sides are neighbours', () => {
    const fixed = (container: number, host: number, more = {}): object =>
      port({ Port: container, HostPort: host, HostPortEnd: host, ...more })
    expect(read(fixed(82, 9002), fixed(80, 9000), fixed(81, 9001), fixed(83, 9009))).toEqual([
      ':9000-9002>80x3/tcp',
      ':9009-9009>83x1/tcp',
    ])
    expect(read(fixed(80, 9000), fixed(81, 9001, { HostIP: '127.0.0.1' }))).toHaveLength(2)
    expect(read(port({ Port: 80 }), port({ Port: 81 }))).toHaveLength(2)
  })

  it.each([[{ Proto: 1 }], [{ Port: 0 }], [{ Port: 70_000 }], [{ HostPort: -1 }], [{ Port: 'http' }]])(
    'are refused when they are none: %j',
    (fields) => {
      expect(() => read(port(fields))).toThrow(expect.objectContaining({ code: 'bad-call' }))
    },
  )
})

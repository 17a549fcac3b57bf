import { describe, expect, test } from 'vitest'
import { formatClients, formatExposed, formatSeen, listExposures } from '../../../src/cli/exposure.ts'

const port = { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp', Via: 'dnat' as const }

describe('the exposure of a port', () => {
  test.each([
    [port, 'everyone over IPv4', "the client's"],
    [{ ...port, IP: '::', Via: 'proxy' as const }, 'everyone over IPv6', "the host's"],
    [{ ...port, IP: '127.0.0.1' }, 'this host', "the host's"],
    [{ ...port, IP: '::1', Via: 'proxy' as const }, 'this host', "the host's"],
    [{ ...port, HostInterface: 'eth1' }, 'everyone over IPv4 by eth1', "the client's"],
    [{ ...port, From: ['10.0.0.0/8', 'fd00::/8'] }, '10.0.0.0/8', "the client's"],
    [{ ...port, From: ['10.0.0.0/8'], HostInterface: 'eth1' }, '10.0.0.0/8 by eth1', "the client's"],
    [{ ...port, IP: '::', Via: 'route' as const }, 'everyone over IPv6 with a route to it', "the client's"],
  ])('of %j is told', (one, clients, seen) => {
    const exposure = { container: 'web', port: one }
    expect(formatClients(exposure)).toBe(clients)
    expect(formatSeen(exposure)).toBe(seen)
  })

  test('leaves out what is only exposed', () => {
    const containers = [{ Names: ['/web'], Ports: [port, { PrivatePort: 81, Type: 'tcp' }] }]
    const found = listExposures(containers)
    expect(found.map(formatExposed)).toEqual(['0.0.0.0:8080->80/tcp'])
    expect(found[0]?.container).toBe('web')
  })
})

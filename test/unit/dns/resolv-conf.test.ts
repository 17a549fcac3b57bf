import { describe, expect, test } from 'vitest'
import { containerResolvConf, hostUpstreams, parseResolvConf } from '../../../src/dns/resolv-conf.ts'

const host = `# comment
; another
domain old.example
nameserver 127.0.0.53
nameserver\tfe80::1%eth0
nameserver nonsense
search corp.example  lab.example
options edns0 trust-ad
options timeout:2
sortlist 10.0.0.0
`
const asked = { host, embedded: true, servers: [], search: [], options: [] }
const directives = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

describe('reading', () => {
  test('servers, the last search list, all options and the rest are found', () => {
    expect(parseResolvConf(host)).toEqual({
      nameservers: ['127.0.0.53', 'fe80::1%eth0'],
      search: ['corp.example', 'lab.example'],
      options: ['edns0', 'trust-ad', 'timeout:2'],
      other: ['sortlist 10.0.0.0'],
    })
  })

  test('an empty file names nobody', () => {
    expect(hostUpstreams('')).toEqual([])
  })
})

describe('writing', () => {
  test('names are served by 127.0.0.11 alone, with the host’s search list and options, and ndots:0', () => {
    expect(directives(containerResolvConf(asked))).toEqual([
      'nameserver 127.0.0.11',
      'search corp.example lab.example',
      'options edns0 trust-ad timeout:2 ndots:0',
      'sortlist 10.0.0.0',
    ])
  })

  test('a comment tells where other names go', () => {
    expect(containerResolvConf({ ...asked, servers: ['192.0.2.1'] })).toContain('forwards to 192.0.2.1.')
    const four = { ...asked, servers: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'] }
    expect(containerResolvConf(four)).toContain('forwards to 192.0.2.1, 192.0.2.2, 192.0.2.3.')
    expect(containerResolvConf(asked)).toContain('forwards to nobody, as its networks are internal.')
  })

  test('the user’s lists replace the host’s, and a dot means no search list', () => {
    const text = containerResolvConf({ ...asked, search: ['.'], options: ['ndots:2', 'rotate'] })
    expect(directives(text)).toEqual(['nameserver 127.0.0.11', 'options ndots:2 rotate', 'sortlist 10.0.0.0'])
  })

  test('an ndots that is no number is replaced', () => {
    const text = containerResolvConf({ ...asked, host: '', options: ['ndots:x'] })
    expect(directives(text)).toEqual(['nameserver 127.0.0.11', 'options ndots:0'])
  })

  test('without a name service of its own the container gets the host’s file, byte for byte', () => {
    expect(containerResolvConf({ ...asked, embedded: false })).toBe(host)
  })

  test('own servers go straight into the file of a container without a name service', () => {
    const text = containerResolvConf({ ...asked, embedded: false, servers: ['192.0.2.1', '192.0.2.2'] })
    expect(directives(text).slice(0, 3)).toEqual([
      'nameserver 192.0.2.1',
      'nameserver 192.0.2.2',
      'search corp.example lab.example',
    ])
    expect(text).not.toContain('ndots')
  })
})

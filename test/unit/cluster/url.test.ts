import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseClusterUrl } from '../../../src/cluster/url.ts'

describe('parseClusterUrl', () => {
  test('takes servers with and without ports, by name and by address', () => {
    expect(parseClusterUrl('etcd://10.0.0.1:2379,etcd.example.com,[2001:db8::1]:4001')).toEqual({
      servers: ['10.0.0.1:2379', 'etcd.example.com:2379', '[2001:db8::1]:4001'],
      tls: null,
      user: null,
      ttl: 15,
      prefix: '/tsnet/',
    })
  })

  test('takes what the parameters say', () => {
    const text = 'etcd://h?ca=/ca.pem&cert=/c.pem&key=/c.key&user=u&password-file=/p&ttl=30&prefix=/a/b'
    expect(parseClusterUrl(text)).toEqual({
      servers: ['h:2379'],
      tls: { ca: '/ca.pem', cert: '/c.pem', key: '/c.key' },
      user: { name: 'u', passwordFile: '/p' },
      ttl: 30,
      prefix: '/a/b/',
    })
  })

  test('takes an authority alone, and a certificate alone', () => {
    expect(parseClusterUrl('etcd://h?ca=/ca.pem').tls).toEqual({ ca: '/ca.pem', cert: '', key: '' })
    expect(parseClusterUrl('etcd://h?cert=/c&key=/k').tls).toEqual({ ca: '', cert: '/c', key: '/k' })
  })

  test.each([
    ['', 'cluster "" must name servers of etcd, e.g. etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379'],
    ['http://h', 'cluster "http://h" must name servers of etcd'],
    ['etcd://', 'cluster "etcd://" must name servers of etcd'],
    ['etcd://h/path', 'cluster "etcd://h/path" must name servers of etcd'],
    ['etcd://h,', 'cluster server "" must be HOST:PORT'],
    ['etcd://h:0', 'cluster server "h:0" must be HOST:PORT'],
    ['etcd://h:65536', 'cluster server "h:65536" must be HOST:PORT'],
    ['etcd://2001:db8::1', 'cluster server "2001:db8::1" must be HOST:PORT'],
    ['etcd://h:2379,h', 'cluster names the server h:2379 twice'],
    ['etcd://u:secret@h', 'cluster must not hold a password: give ?user=NAME&password-file=FILE'],
    [
      'etcd://h?tls=1',
      'cluster parameter "tls" is unknown: known are ca, cert, key, user, password-file, ttl, prefix',
    ],
    ['etcd://h?ca=a&ca=b', 'cluster parameter "ca" is given twice'],
    ['etcd://h?ca=', 'cluster parameter "ca" is empty'],
    ['etcd://h?cert=/c', 'cluster parameter "cert" needs the other one: give cert and key together'],
    ['etcd://h?key=/k', 'cluster parameter "key" needs the other one: give cert and key together'],
    ['etcd://h?user=u', 'cluster parameters "user" and "password-file" need each other'],
    ['etcd://h?ttl=1', 'cluster parameter "ttl" is "1": give seconds from 2 to 3600'],
    ['etcd://h?ttl=1.5', 'cluster parameter "ttl" is "1.5": give seconds from 2 to 3600'],
    ['etcd://h?prefix=tsnet', 'cluster parameter "prefix" is "tsnet": give a path such as /tsnet'],
    ['etcd://h?prefix=/', 'cluster parameter "prefix" is "/": give a path such as /tsnet'],
  ])('refuses %j', (text, message) => {
    expect(() => parseClusterUrl(text)).toThrow(message)
  })

  test('shows no password that somebody wrote into it', () => {
    expect(() => parseClusterUrl('http://u:secret@h')).toThrow(expect.not.stringContaining('secret'))
  })

  test('refuses or takes any text, and no other error comes of it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseClusterUrl(`etcd://${text}`)
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: 'bad-cluster-url' })
        }
      }),
    )
  })
})

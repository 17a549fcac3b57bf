import { describe, expect, test } from 'vitest'
import { chooseHost, parseHost } from '../../../src/cli/host.ts'

const none = { host: '', tlsverify: false, tlscacert: '', tlscert: '', tlskey: '' }

describe('chooseHost', () => {
  test.each([
    ['tcp://flag:1', { TSNET_HOST: 'tcp://own:1', DOCKER_HOST: 'tcp://docker:1' }, 'tcp://flag:1'],
    ['', { TSNET_HOST: 'tcp://own:1', DOCKER_HOST: 'tcp://docker:1' }, 'tcp://own:1'],
    ['', { TSNET_HOST: '', DOCKER_HOST: 'tcp://docker:1' }, 'tcp://docker:1'],
    ['', {}, 'unix:///run/tsnet/tsnet.sock'],
  ])('with flag %j and variables %j takes %s', (host, environment, expected) => {
    expect(chooseHost({ ...none, host }, environment).text).toBe(expected)
  })

  test('speaks TLS to a tcp host, on its own port, when a flag or DOCKER_TLS_VERIFY says so', () => {
    const environment = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/certs' }
    const files = { ca: '/certs/ca.pem', cert: '/certs/cert.pem', key: '/certs/key.pem' }
    const host = chooseHost({ ...none, host: 'tcp://there' }, environment)
    expect(host).toMatchObject({ connect: { host: 'there', port: 2376 }, tls: files })
    const flagged = chooseHost({ ...none, host: 'tcp://there:99', tlskey: '/k' }, { HOME: '/root' })
    expect(flagged).toMatchObject({ connect: { port: 99 }, tls: { ca: '/root/.docker/ca.pem', key: '/k' } })
  })

  test('speaks no TLS on a socket', () => {
    expect(chooseHost({ ...none, tlsverify: true }, {}).tls).toBeUndefined()
  })
})

describe('parseHost', () => {
  test.each([
    ['unix:///tmp/a.sock', { socketPath: '/tmp/a.sock' }],
    ['unix://', { socketPath: '/run/tsnet/tsnet.sock' }],
    ['tcp://10.0.0.1:99', { host: '10.0.0.1', port: 99 }],
    ['tcp://host', { host: 'host', port: 2375 }],
    ['tcp://:99', { host: '127.0.0.1', port: 99 }],
    ['host:99', { host: 'host', port: 99 }],
    ['tcp://[::1]:99', { host: '::1', port: 99 }],
    [' tcp://[fe80::1]/ ', { host: 'fe80::1', port: 2375 }],
  ])('reads %j', (text, connect) => {
    expect(parseHost(text).connect).toEqual(connect)
  })

  test.each(['http://x', 'tcp://a:b', 'tcp://a:99999', 'tcp://a/b', 'ssh://x'])('refuses %j', (text) => {
    expect(() => parseHost(text)).toThrow(/^invalid bind address format: /)
  })
})

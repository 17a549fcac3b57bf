import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergeEnv, noRequest } from '../../../src/engine/plan.ts'
import type { ContainerSpec } from '../../../src/store/records.ts'
import { id, idOf, plan, port } from './samples.ts'

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const hostname = 'HOSTNAME=c0c0c0c0c0c0'

describe('what a container is to run', () => {
  test.each([
    ['the image’s entrypoint and command', null, null, ['/entry', '-x', 'serve']],
    ['the image’s entrypoint with another command', null, ['test'], ['/entry', '-x', 'test']],
    ['another entrypoint without the image’s command', ['/other'], null, ['/other']],
    ['another entrypoint with a command', ['/other', 'a'], ['b'], ['/other', 'a', 'b']],
    ['no entrypoint, given as an empty string, with a command', [''], ['sh'], ['sh']],
    ['no entrypoint, given as an empty list, with the image’s command', [], null, ['serve']],
    ['the image’s command for an empty one', null, [], ['/entry', '-x', 'serve']],
  ])('is %s', (_, entrypoint, command, argv) => {
    const image = { entrypoint: ['/entry', '-x'], command: ['serve'] }
    expect(plan({ entrypoint, command }, image).argv).toEqual(argv)
  })

  test('is not known where neither user nor image names anything', () => {
    expect(() => plan({}, { command: null })).toThrow('no command specified')
    expect(() => plan({ entrypoint: [''] }, { command: ['serve'] })).toThrow('no command specified')
  })

  test('sees the image’s variables, and over them the user’s', () => {
    const env = ['A=user', 'EMPTY=', 'GONE']
    expect(plan({ env }, { env: ['A=image', 'B=image', 'GONE=1'] }).env).toEqual([
      path,
      hostname,
      'A=user',
      'B=image',
      'EMPTY=',
    ])
  })

  test('sees a PATH of the image’s own and the hostname that the user chose', () => {
    const { env, ...planned } = plan({ hostname: 'db' }, { env: ['PATH=/opt/bin'] })
    expect(env).toEqual(['PATH=/opt/bin', 'HOSTNAME=db'])
    expect(planned.hostname).toBe('db')
  })

  test('takes directory, user, labels and stop signal from the image where the user gives none', () => {
    const image = { workingDir: '/srv', user: 'app', labels: { a: '1', b: '1' }, stopSignal: 'SIGQUIT' }
    expect(plan({ labels: { b: '2' } }, image)).toMatchObject({
      workingDir: '/srv',
      user: 'app',
      labels: { a: '1', b: '2' },
      stopSignal: 'SIGQUIT',
    })
    expect(plan({ workingDir: '/a//b/../c/', user: '5', stopSignal: 'USR1' }, image)).toMatchObject({
      workingDir: '/a/c',
      user: '5',
      stopSignal: 'USR1',
    })
    expect(plan()).toMatchObject({ workingDir: '/', user: '', stopSignal: 'SIGTERM' })
  })

  test('exposes the image’s ports, the user’s, and every port of a published range, each once and as ranges', () => {
    const ports = [{ ...port, containerPort: 8000, count: 3 }]
    const exposedPorts = ['8001/tcp', '53/udp']
    expect(plan({ ports, exposedPorts }, { exposedPorts: ['80/tcp'] }).exposedPorts).toEqual([
      '80/tcp',
      '8000-8002/tcp',
      '53/udp',
    ])
  })
})

describe('mergeEnv', () => {
  test('keeps the last value of every name, whatever is merged', () => {
    const name = fc.constantFrom('A', 'B', 'C')
    const entry = fc.oneof(
      name,
      fc.tuple(name, fc.string()).map(([key, value]) => `${key}=${value}`),
    )
    fc.assert(
      fc.property(fc.array(fc.array(entry)), (lists) => {
        const wanted = new Map<string, string>()
        for (const text of lists.flat()) {
          if (!text.includes('=')) wanted.delete(text)
          else wanted.set(text[0] ?? '', text)
        }
        expect(new Set(mergeEnv(...lists))).toEqual(new Set(wanted.values()))
        expect(mergeEnv(...lists)).toHaveLength(wanted.size)
      }),
    )
  })
})

describe('the networks of a container', () => {
  const networksOf = (change: Partial<ContainerSpec>) =>
    plan(change).endpoints.map(({ networkName }) => networkName)

  test.each([['default'], [''], ['bridge']])('are the default one for the mode %j', (networkMode) => {
    expect(networksOf({ networkMode })).toEqual(['bridge'])
  })

  test('begin with the mode’s, and go on in the order in which they were named', () => {
    const endpoints = { front: noRequest, back: noRequest, bridge: noRequest }
    expect(networksOf({ networkMode: 'back', endpoints })).toEqual(['back', 'front', 'bridge'])
  })

  test.each([['default'], ['bridge']])('know the request for %s as the default network’s', (ref) => {
    const mac = '02:42:00:00:00:07'
    const { endpoints } = plan({ networkMode: 'default', endpoints: { [ref]: { ...noRequest, mac } } })
    expect(endpoints.map((endpoint) => endpoint.request.mac)).toEqual([mac])
  })

  test('know a network by id and name as one', () => {
    const endpoints = { back: { ...noRequest, aliases: ['db'] } }
    const planned = plan({ networkMode: idOf('back'), endpoints }).endpoints
    expect(planned).toHaveLength(1)
    expect(planned[0]).toMatchObject({ networkName: 'back', dnsNames: ['web', 'c0c0c0c0c0c0', 'db'] })
  })

  test('tell each name once: name, short id, aliases, hostname', () => {
    const endpoints = { back: { ...noRequest, aliases: ['db', 'web', 'db'] } }
    const [endpoint] = plan({ networkMode: 'back', endpoints, hostname: 'store' }).endpoints
    expect(endpoint?.dnsNames).toEqual(['web', 'c0c0c0c0c0c0', 'db', 'store'])
  })

  test('have no addresses and no interfaces yet, and ids of their own', () => {
    const [one, other] = [plan(), plan()].map(({ endpoints }) => endpoints[0])
    expect(one).toMatchObject({ interfaceName: '', mac: '', address4: '', address6: '', gateway4: '' })
    expect(one?.id).toMatch(/^[0-9a-f]{64}$/)
    expect(one?.id).not.toBe(other?.id)
  })

  test('may have fixed addresses inside their pools, of both families', () => {
    const wanted = { ...noRequest, address4: '10.1.0.9', address6: 'fd00:1::9' }
    const [endpoint] = plan({ networkMode: 'back', endpoints: { back: wanted } }).endpoints
    expect(endpoint?.request).toEqual(wanted)
  })

  test.each([
    ['outside of every pool', 'back', { address4: '10.2.0.9' }, 'network back has 10.1.0.0/24, fd00:1::/64'],
    ['of a family without pool', 'front', { address6: 'fd00::9' }, 'network front has 10.2.0.0/24'],
    [
      'of a subnet that the user has not chosen',
      'chosen',
      { address4: '10.3.0.9' },
      'with user configured subnets',
    ],
    ['on the default network', 'bridge', { address4: '172.17.0.9' }, 'on user defined networks only'],
    ['on the host’s network', 'host', { address4: '10.1.0.9' }, 'on user defined networks only'],
    ['without network', 'none', { address4: '10.1.0.9' }, 'on user defined networks only'],
  ])('refuse an address %s', (_, networkMode, address, sentence) => {
    const endpoints = { [networkMode]: { ...noRequest, ...address } }
    expect(() => plan({ networkMode, endpoints })).toThrow(sentence)
  })

  test.each([['bridge'], ['host'], ['none']])('refuse aliases on %s', (networkMode) => {
    const endpoints = { [networkMode]: { ...noRequest, aliases: ['x'] } }
    expect(() => plan({ networkMode, endpoints })).toThrow(
      'network-scoped alias is supported only for containers in user defined networks',
    )
  })

  test.each([['host'], ['none']])('refuse %s together with another', (networkMode) => {
    expect(() => plan({ networkMode, endpoints: { back: noRequest } })).toThrow(
      `container cannot be connected to network ${networkMode} together with another network`,
    )
    expect(() => plan({ networkMode: 'back', endpoints: { [networkMode]: noRequest } })).toThrow(
      'together with another network',
    )
  })

  test('refuse a network that there is not', () => {
    expect(() => plan({ networkMode: 'nowhere' })).toThrow('network nowhere not found')
    expect(() => plan({ endpoints: { nowhere: noRequest } })).toThrow('network nowhere not found')
  })

  test('refuse sysctls that would change the host’s network, and no others', () => {
    const sysctls = { 'net.ipv4.ip_forward': '1' }
    expect(() => plan({ networkMode: 'host', sysctls })).toThrow('not allowed in host network mode')
    expect(plan({ networkMode: 'host', sysctls: { 'kernel.shmmax': '1' } }).spec.sysctls).toHaveProperty([
      'kernel.shmmax',
    ])
    expect(plan({ networkMode: 'none', sysctls }).spec.sysctls).toEqual(sysctls)
  })
})

describe('a container is refused', () => {
  test.each([
    [
      'a relative working directory',
      { workingDir: 'srv' },
      "the working directory 'srv' is invalid, it needs to be an absolute path",
    ],
    ['an unknown signal', { stopSignal: 'SIGNO' }, 'SIGNO'],
    ['an unknown capability', { capAdd: ['FLY'] }, 'FLY'],
  ])('for %s', (_, change, sentence) => {
    expect(() => plan(change)).toThrow(sentence)
    expect(() => plan(change)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  })
})

test('a planned container has been created and not run', () => {
  expect(plan({ env: ['A=1'] })).toMatchObject({
    id,
    name: 'web',
    published: [],
    restartCount: 0,
    state: { status: 'created', pid: 0, exitCode: 0, startedAt: '', finishedAt: '' },
    spec: { env: ['A=1'] },
  })
})

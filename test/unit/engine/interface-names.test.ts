import { describe, expect, test } from 'vitest'
import { interfaceNameOf, refuseTakenNames } from '../../../src/engine/interface-names.ts'
import { noRequest, planEndpoint } from '../../../src/engine/plan.ts'
import type { EndpointRecord } from '../../../src/store/records.ts'
import { findSample, id, networkWith, plan } from './samples.ts'

const network = findSample('back')

function endpoint(interfaceName: string, given = ''): EndpointRecord {
  const options = given === '' ? {} : { 'com.docker.network.endpoint.ifname': given }
  return { ...planEndpoint(id, 'web', '', network, { ...noRequest, options }), interfaceName }
}

/** As a start does: one after the other. */
function start(endpoints: readonly EndpointRecord[]): EndpointRecord[] {
  const done: EndpointRecord[] = []
  for (const [index, one] of endpoints.entries()) {
    const others = [...done, ...endpoints.slice(index + 1)]
    done.push({ ...one, interfaceName: interfaceNameOf(network, one, others) })
  }
  return done
}

const names = (endpoints: readonly EndpointRecord[]) => endpoints.map(({ interfaceName }) => interfaceName)

describe('interface names', () => {
  test('are numbers in the order of declaration', () => {
    expect(names(start([endpoint(''), endpoint(''), endpoint('')]))).toEqual(['eth0', 'eth1', 'eth2'])
  })

  test('stay over 20 restarts, whatever was disconnected and connected between', () => {
    let endpoints = start([endpoint(''), endpoint(''), endpoint('')])
    endpoints = start([endpoints[0]!, endpoints[2]!])
    expect(names(endpoints)).toEqual(['eth0', 'eth2'])
    endpoints = start([...endpoints, endpoint('')])
    for (let round = 0; round < 20; round++) {
      endpoints = start(endpoints)
      expect(names(endpoints)).toEqual(['eth0', 'eth2', 'eth1'])
    }
  })

  test('begin with the network’s prefix', () => {
    const named = networkWith({ name: 'n', options: { 'com.docker.network.container_iface_prefix': 'lan' } })
    expect(interfaceNameOf(named, endpoint(''), [endpoint('eth0'), endpoint('lan0')])).toBe('lan1')
  })

  test('that the user gave come first, and numbers go around them', () => {
    expect(names(start([endpoint(''), endpoint('', 'eth0'), endpoint('', 'wan')]))).toEqual([
      'eth1',
      'eth0',
      'wan',
    ])
    expect(names(start([endpoint('eth0'), endpoint('', 'eth0')]))).toEqual(['eth1', 'eth0'])
  })

  test('are given once in a container', () => {
    expect(() => refuseTakenNames([endpoint('', 'lan0'), endpoint('', 'lan0')], false)).toThrow(
      expect.objectContaining({
        kind: 'conflict',
        message: 'network back: interface name lan0 is taken by that to network back: give another name',
      }),
    )
    expect(() => refuseTakenNames([endpoint('eth0'), endpoint('', 'eth0')], true)).toThrow(
      /name eth0 is taken/,
    )
    refuseTakenNames([endpoint('eth0'), endpoint('', 'eth0')], false)
    refuseTakenNames([endpoint('lan0', 'lan0'), endpoint('eth0')], true)
  })
})

test('a plan refuses bad options of an endpoint, and those that its driver refuses', () => {
  const wanted = (options: Record<string, string>) => ({ endpoints: { back: { ...noRequest, options } } })
  expect(() => plan(wanted({ 'com.docker.network.endpoint.ifname': 'a/b' }))).toThrow(/interface name "a\/b"/)
  expect(() => plan(wanted({ 'com.docker.network.endpoint.sysctls': 'net.ipv4.ip_forward=1' }))).toThrow(
    /unrecognised network interface sysctl/,
  )
})

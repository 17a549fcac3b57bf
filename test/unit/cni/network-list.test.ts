import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findNetworkList, loadNetworkList, parseNetworkList } from '../../../src/cni/network-list.ts'
import { leadsOut } from '../../../src/drivers/cni/request.ts'

const parse = (json: object) => parseNetworkList('/n.conflist', JSON.stringify(json))
const good = { cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'bridge' }] }

describe('a list of CNI plugins', () => {
  test('is read with its versions, newest first, and its switches', () => {
    expect(
      parse({ ...good, cniVersions: ['0.4.0', '1.1.0', '9.9.9'], disableCheck: true, disableGC: 'true' }),
    ).toMatchObject({
      name: 'net',
      versions: ['1.1.0', '1.0.0', '0.4.0'],
      disableCheck: true,
      disableGc: true,
    })
  })

  test('may be a single plugin', () => {
    const single = { cniVersion: '0.3.1', name: 'one', type: 'ptp', mtu: 1400 }
    expect(parse(single)).toMatchObject({ name: 'one', plugins: [{ type: 'ptp', mtu: 1400 }] })
  })

  test('is refused with what is wrong of it', () => {
    const refusals: [object, string][] = [
      [{ ...good, cniVersion: '0.2.0' }, 'version 0.2.0 of CNI is not spoken here'],
      [{ ...good, name: '../net' }, 'its name "../net" is none'],
      [{ ...good, plugins: {} }, 'its plugins are no list'],
      [{ ...good, plugins: [{ type: '../../bin/sh' }] }, 'is the name of its program'],
      [{ ...good, plugins: [{}] }, 'not undefined'],
      [{ ...good, disableGC: 1 }, 'its disableGC is neither true nor false'],
    ]
    for (const [json, what] of refusals) expect(() => parse(json)).toThrow(what)
    expect(() => parseNetworkList('/n', '[]')).toThrow('it is no JSON object')
  })

  test('leads out where it gives default routes, or leaves that to an address plugin of its own mind', () => {
    const list = (plugin: object) => parse({ ...good, plugins: [plugin] })
    const ipam = { type: 'host-local', routes: [{ dst: '0.0.0.0/0' }] }
    expect([4, 6].map((family) => leadsOut(list({ type: 'bridge', ipam }), family as 4 | 6))).toEqual([
      true,
      false,
    ])
    expect(leadsOut(list({ type: 'macvlan', ipam: { type: 'host-local' } }), 4)).toBe(false)
    expect(leadsOut(list({ type: 'macvlan', ipam: { type: 'dhcp' } }), 4)).toBe(true)
    expect(leadsOut(list({ type: 'bridge', isDefaultGateway: true }), 6)).toBe(true)
    expect(leadsOut(list({ type: 'bridge' }), 4)).toBe(false)
    expect(leadsOut(list({ type: 'calico' }), 4)).toBe(true)
  })
})

describe('a directory of networks', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tsnet-lists-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const write = (path: string, content: unknown) =>
    writeFileSync(join(directory, path), typeof content === 'string' ? content : JSON.stringify(content))

  test('is searched by name, in alphabetical order, past files that hold none', () => {
    write('10-broken.conflist', '{')
    write('20-net.conflist', good)
    write('30-net.conf', { cniVersion: '1.0.0', name: 'net', type: 'macvlan' })
    write('net.txt', good)
    expect(findNetworkList(directory, 'net')?.plugins).toEqual([{ type: 'bridge' }])
    expect(findNetworkList(directory, 'other')).toBeUndefined()
    expect(() => loadNetworkList(directory, 'other')).toThrow(`other is not in ${directory}`)
    expect(() => loadNetworkList(directory, join(directory, 'gone'))).toThrow('there is no such file')
    expect(findNetworkList('/nowhere', 'net')).toBeUndefined()
  })

  test('keeps nobody waiting over what is no list at all', () => {
    execFileSync('mkfifo', [join(directory, '10-net.conflist')])
    write('15-net.conflist', ' '.repeat((1 << 20) + 1))
    write('20-net.conflist', good)
    expect(findNetworkList(directory, 'net')?.plugins).toEqual([{ type: 'bridge' }])
    expect(() => loadNetworkList('/', '/dev/zero')).toThrow('it is no file')
    expect(() => loadNetworkList('/', join(directory, '10-net.conflist'))).toThrow('it is no file')
    expect(() => loadNetworkList('/', join(directory, '15-net.conflist'))).toThrow('more than 1048576 bytes')
  })

  test('adds to a list the plugins in the folder of its name, unless the list is whole', () => {
    mkdirSync(join(directory, 'net'))
    write('net/50.conf', { type: 'tuning' })
    write('net.conflist', good)
    expect(loadNetworkList(directory, 'net').plugins.map(({ type }) => type)).toEqual(['bridge', 'tuning'])
    write('net.conflist', { ...good, loadOnlyInlinedPlugins: true })
    expect(loadNetworkList(directory, 'net').plugins).toHaveLength(1)
  })
})

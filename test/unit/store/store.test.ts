import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrations } from '../../../src/store/migrations.ts'
import type { VolumeRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import type { VolumeId } from '../../../src/values/id.ts'

let directory = ''
let path = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-store-'))
  path = join(directory, 'new', 'state.db')
})
afterEach(() => rmSync(directory, { recursive: true }))

const volume = (name: string, labels: Record<string, string> = {}): VolumeRecord => ({
  name,
  driver: 'local',
  options: {},
  labels,
  createdAt: '2026-01-02T03:04:05.000Z',
  anonymous: false,
  id: name as VolumeId,
  protected: false,
  origin: null,
  mountpoint: `/volumes/${name}`,
})

describe('a collection', () => {
  test('is what a Map would be, before and after it is opened again', () => {
    const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'ä')
    const change = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key, value: fc.string({ unit: 'grapheme' }) }),
      fc.record({ do: fc.constant('delete' as const), key }),
    )
    // Each list of changes is a transaction, which fails if it says so.
    const transaction = fc.record({ changes: fc.array(change), fails: fc.boolean() })
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 6 }), (transactions) => {
        rmSync(path, { force: true })
        let model = new Map<string, string>()
        {
          using store = openStore(path)
          for (const { changes, fails } of transactions) {
            const next = new Map(model)
            const run = () =>
              store.transaction(() => {
                for (const one of changes) {
                  if (one.do === 'put') store.settings.put(one.key, one.value)
                  else store.settings.delete(one.key)
                  if (one.do === 'put') next.set(one.key, one.value)
                  else next.delete(one.key)
                }
                expect([...store.settings.values()].sort()).toEqual([...next.values()].sort())
                if (fails) throw new Error('changed my mind')
              })
            if (fails) expect(run).toThrow('changed my mind')
            else {
              run()
              model = next
            }
            expect(store.settings.size).toBe(model.size)
            for (const name of ['a', 'b', 'c', '__proto__', 'ä']) {
              expect(store.settings.get(name)).toBe(model.get(name))
              expect(store.settings.has(name)).toBe(model.has(name))
            }
          }
        }
        using again = openStore(path)
        const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
        expect([...again.settings.values()]).toEqual(sorted)
      }),
      { numRuns: 40 },
    )
  })

  test('holds whole records, which nobody can change in place', () => {
    {
      using store = openStore(path)
      store.volumes.put('data', volume('data', { a: '1' }))
      const { labels } = store.volumes.get('data') as { labels: Record<string, string> }
      expect(() => {
        labels['a'] = '2'
      }).toThrow(TypeError)
    }
    using again = openStore(path)
    expect(again.volumes.get('data')).toEqual(volume('data', { a: '1' }))
    expect(Object.isFrozen(again.volumes.get('data')?.labels)).toBe(true)
  })

  test('has nothing of another collection under the same key', () => {
    using store = openStore(path)
    store.settings.put('data', 'setting')
    expect(store.volumes.has('data')).toBe(false)
  })
})

describe('a transaction', () => {
  test('gives what its body gives', () => {
    using store = openStore(path)
    expect(store.transaction(() => 7)).toBe(7)
  })

  test('that fails leaves neither record nor journal entry', () => {
    {
      using store = openStore(path)
      const fail = () =>
        store.transaction(() => {
          store.volumes.put('data', volume('data'))
          store.journal.begin('volume-create', 'data')
          throw new Error('no')
        })
      expect(fail).toThrow('no')
      expect(store.volumes.size).toBe(0)
      expect(store.journal.entries()).toEqual([])
    }
    using again = openStore(path)
    expect(again.volumes.size).toBe(0)
  })

  test('within another is part of that', () => {
    using store = openStore(path)
    const fail = () =>
      store.transaction(() => {
        store.transaction(() => store.settings.put('a', 'inner'))
        throw new Error('outer')
      })
    expect(fail).toThrow('outer')
    expect(store.settings.has('a')).toBe(false)
  })

  test('is over after a failure: the next one counts', () => {
    using store = openStore(path)
    expect(() =>
      store.transaction(() => {
        throw new Error('no')
      }),
    ).toThrow('no')
    store.settings.put('a', '1')
    store.transaction(() => store.settings.put('b', '2'))
    expect([...store.settings.values()]).toEqual(['1', '2'])
  })
})

describe('the journal', () => {
  test('keeps entries in order over a reopening, with what recovery needs', () => {
    let second = 0
    {
      using store = openStore(path)
      const first = store.journal.begin('start', 'c1')
      second = store.journal.begin('connect', 'c2', { endpoint: { id: 'e1', names: ['ä'] } })
      store.journal.begin('stop', 'c3')
      store.journal.step(second, 'endpoints')
      store.journal.step(second, 'ports')
      store.journal.clear(first)
    }
    using again = openStore(path)
    expect(again.journal.entries()).toEqual([
      {
        id: second,
        operation: 'connect',
        subject: 'c2',
        step: 'ports',
        data: { endpoint: { id: 'e1', names: ['ä'] } },
      },
      { id: second + 1, operation: 'stop', subject: 'c3', step: '', data: null },
    ])
  })

  test('lets an entry be cleared twice', () => {
    using store = openStore(path)
    const entry = store.journal.begin('start', 'c1')
    store.journal.clear(entry)
    store.journal.clear(entry)
    expect(store.journal.entries()).toEqual([])
  })
})

describe('a store', () => {
  test('is refused to a second daemon while the first has it, and free afterwards', () => {
    {
      using _first = openStore(path)
      expect(() => openStore(path)).toThrow(
        expect.objectContaining({
          kind: 'unavailable',
          message: `${path} is in use by another tsnet daemon: stop that, or give another --data-root`,
        }),
      )
    }
    using again = openStore(path)
    expect(again.settings.size).toBe(0)
  })

  test('of a newer tsnet is refused, and left as it is', () => {
    openStore(path).close()
    const newer = migrations.length + 1
    const db = new DatabaseSync(path)
    db.exec(`PRAGMA user_version = ${newer}`)
    db.close()
    const sentence = `${path} was written by a newer tsnet (schema ${newer}, this one knows ${migrations.length}): start that version, or another --data-root`
    expect(() => openStore(path)).toThrow(expect.objectContaining({ kind: 'unavailable', message: sentence }))
    // Twice, because a refusal must not keep the lock.
    expect(() => openStore(path)).toThrow(sentence)
  })

  test('of the first schema gets what its containers have lacked', () => {
    const request = { address4: null, aliases: ['a'] }
    const added = { linkLocal: [], links: [], gatewayPriority: 0 }
    const bind = {
      source: 'v',
      readOnly: true,
      propagation: '',
      noCopy: true,
      driver: 'far',
      syntax: 'bind-string',
    }
    const oldMounts = [bind, { source: '', syntax: 'bind-string' }]
    const old = {
      name: 'web',
      spec: { image: 'x', endpoints: { net: request }, ports: [{ hostPort: 80 }], mounts: oldMounts },
      mounts: [{ name: 'v', options: 'nocopy', syntax: 'bind-string' }],
      endpoints: [{ id: 'e', request }],
      published: [{ hostPort: 80 }],
    }
    mkdirSync(dirname(path))
    const db = new DatabaseSync(path)
    db.exec(`${migrations[0]}; PRAGMA user_version = 1`)
    db.prepare('INSERT INTO record VALUES (?, ?, ?)').run('container', 'c', JSON.stringify(old))
    db.close()
    using store = openStore(path)
    const port = { hostPort: 80, hostInterface: '', sources: [], hostPolicy: '' }
    const mount = { recursion: 'enabled', subpath: '', idmap: '', own: '', mode: '' }
    expect(store.containers.get('c')).toEqual({
      ...old,
      spec: {
        ...old.spec,
        egress: null,
        endpoints: { net: { ...request, ...added } },
        ports: [port],
        mounts: [
          { ...mount, ...bind, mode: 'ro,nocopy', consistency: '' },
          { ...mount, source: '', consistency: '', syntax: 'anonymous' },
        ],
        volumesFrom: [],
        volumeDriver: 'far',
      },
      mounts: [{ ...mount, name: 'v', options: '', syntax: 'bind-string', noCopy: true, createSource: true }],
      endpoints: [{ id: 'e', request: { ...request, ...added } }],
      published: [port],
    })
  })

  test('of the first schema gets what its networks have lacked: their subnets count as given', () => {
    const old = {
      name: 'net',
      pools: [{ subnet: '10.1.0.0/24' }, { subnet: '10.2.0.0/24' }, { subnet: 'fd00::/64' }],
    }
    mkdirSync(dirname(path))
    const db = new DatabaseSync(path)
    db.exec(`${migrations[0]}; PRAGMA user_version = 1`)
    db.prepare('INSERT INTO record VALUES (?, ?, ?)').run('network', 'n', JSON.stringify(old))
    db.close()
    using store = openStore(path)
    const added = { dnsServers: [], configOnly: false, configFrom: '', configuration: null }
    expect(store.networks.get('n')).toEqual({ ...old, ...added, givenFamilies: [4, 6] })
  })

  test('of the first schema gives its volumes an id each', () => {
    mkdirSync(dirname(path))
    const db = new DatabaseSync(path)
    db.exec(`${migrations[0]}; PRAGMA user_version = 1`)
    const insert = db.prepare('INSERT INTO record VALUES (?, ?, ?)')
    for (const name of ['a', 'b']) insert.run('volume', name, JSON.stringify({ name }))
    db.close()
    using store = openStore(path)
    const volumes = [...store.volumes.values()]
    expect(volumes).toMatchObject([
      { name: 'a', protected: false, origin: null },
      { name: 'b', protected: false, origin: null },
    ])
    expect(new Set(volumes.map(({ id }) => id)).size).toBe(2)
    expect(volumes.every(({ id }) => /^[0-9a-f]{64}$/.test(id))).toBe(true)
  })

  test('knows how far it has been migrated', () => {
    openStore(path).close()
    using db = new DatabaseSync(path)
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: migrations.length })
  })

  test('that is none is refused', () => {
    expect(() => openStore(directory)).toThrow()
  })
})

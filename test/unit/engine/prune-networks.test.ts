import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Events } from '../../../src/engine/events.ts'
import type { Parts } from '../../../src/engine/parts.ts'
import { NetworkPruner } from '../../../src/engine/prune-networks.ts'
import { TsnetError } from '../../../src/errors.ts'
import { createLogger } from '../../../src/log.ts'
import type { NetworkRecord } from '../../../src/store/records.ts'
import { openStore } from '../../../src/store/store.ts'
import { networkWith } from './samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-prune-'))
const store = openStore(join(directory, 'state.db'))
const parts = { store, events: new Events(), log: createLogger('fatal') } as unknown as Parts
const networks = ['one', 'two', 'three'].map((name, index) => networkWith({ name }, index))
for (const network of networks) store.networks.put(network.id, network)
afterAll(() => {
  store.close()
  rmSync(directory, { recursive: true })
})

describe('pruning networks', () => {
  test('is refused while another prune is under way, and possible after it, whatever became of that', async () => {
    const gate = Promise.withResolvers<void>()
    const pruner = new NetworkPruner(parts, () => gate.promise)
    const first = pruner.prune(() => true)
    const running = { kind: 'conflict', message: 'a prune operation is already running' }
    await expect(pruner.prune(() => true)).rejects.toMatchObject(running)
    gate.resolve()
    expect(await first).toEqual(['one', 'two', 'three'])
    expect(await pruner.prune(() => false)).toEqual([])
  })

  test('goes on when a network cannot be removed, and tells only of those that were', async () => {
    const remove = async ({ name }: NetworkRecord): Promise<void> => {
      if (name === 'one')
        throw new TsnetError('forbidden', 'network-in-use', 'network one has active endpoints')
      if (name === 'two') throw new Error('no such device')
    }
    expect(await new NetworkPruner(parts, remove).prune(() => true)).toEqual(['three'])
  })
})

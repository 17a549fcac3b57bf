import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { VolumeList, VolumeTrashList } from '../../src/api/schema/volume.ts'
import type { TestDaemon } from '../helpers/daemon.ts'
import { DyingDaemon } from '../helpers/dying-daemon.ts'

/** What a daemon tells of its volumes, and what is on its disk. */
interface State {
  /** Contents of the volumes' files, by name, '' for a volume without. */
  readonly volumes: Readonly<Record<string, string>>
  /** The same of the trash. */
  readonly trash: Readonly<Record<string, string>>
}

describe('a daemon killed while volumes come and go', () => {
  let dying: DyingDaemon
  let daemon: TestDaemon
  let root: string

  beforeAll(async () => {
    dying = await DyingDaemon.start(['--volume-trash-space', '0%'])
    daemon = dying.daemon
    root = join(daemon.dataRoot, 'volumes')
  })
  afterAll(() => dying.stop())

  const namesIn = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : [])
  const visible = (): string[] => namesIn(root).filter((name) => !name.startsWith('.'))
  const discarded = (): string[] => namesIn(join(root, '.trash'))
  const contentOf = (directory: string): string => {
    const file = join(root, directory, '_data/file')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Fails where records and directories tell different stories. */
  const stateOf = async (when: string): Promise<State> => {
    const { body: list } = await daemon.api('GET', '/volumes')
    const names = (list as VolumeList).Volumes.map(({ Name }) => Name)
    expect(visible().sort(), when).toEqual([...names].sort())
    const { body: trash } = await daemon.api('GET', '/tsnet/v1/volumes/trash')
    const trashed = (trash as VolumeTrashList).Volumes
    // leftovers go in the background
    await expect.poll(() => discarded().sort(), { message: when }).toEqual(trashed.map(({ Id }) => Id).sort())
    return {
      volumes: Object.fromEntries(names.map((name) => [name, contentOf(name)])),
      trash: Object.fromEntries(trashed.map(({ Id, Name }) => [Name, contentOf(join('.trash', Id))])),
    }
  }

  // Not by the clients: their start alone would take most of the time.
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await daemon.api(method, path, body)
    expect(answer.status, `${method} ${path}`).toBeLessThan(300)
    return answer.body
  }
  const containers = async (): Promise<readonly { Id: string }[]> =>
    (await call('GET', '/containers/json?all=1')) as { Id: string }[]
  const clear = async (): Promise<void> => {
    for (const { Id } of await containers()) await call('DELETE', `/containers/${Id}?force=1&v=1`)
    await call('POST', '/volumes/prune?now=1&filters={"all":["true"]}')
    await call('DELETE', '/tsnet/v1/volumes/trash')
  }
  const make = (...names: string[]): (() => Promise<void>) => {
    return async () => {
      for (const name of names) {
        await call('POST', '/volumes/create', { Name: name })
        writeFileSync(join(root, name, '_data/file'), `of ${name}`)
      }
    }
  }
  const makeRemoved = async (): Promise<void> => {
    await make('data')()
    await call('DELETE', '/volumes/data')
  }

  const here = { volumes: { data: 'of data' }, trash: {} }
  const trashed = { volumes: {}, trash: { data: 'of data' } }
  const gone = { volumes: {}, trash: {} }
  const renamed = { volumes: { other: 'of data' }, trash: {} }

  it.each([
    ['made', async () => {}, ['create', 'data'], [gone, { volumes: { data: '' }, trash: {} }]],
    ['removed', make('data'), ['rm', 'data'], [here, trashed]],
    ['removed for good', make('data'), ['rm', '--now', 'data'], [here, gone]],
    ['restored', makeRemoved, ['restore', 'data'], [trashed, here]],
    ['restored under another name', makeRemoved, ['restore', '--as', 'other', 'data'], [trashed, renamed]],
    ['renamed', make('data'), ['rename', 'data', 'other'], [here, renamed]],
    ['purged', makeRemoved, ['trash', '--empty', '-f'], [trashed, gone]],
  ] as const)(
    'has it wholly in one place with all its data, whichever journal write it died at as it was %s',
    async (_, prepare, change, states) => {
      const kills = await dying.atEachWrite(prepare, [['volume', ...change]], async (when) => {
        expect(states, when).toContainEqual(await stateOf(when))
        await clear()
        expect(await stateOf(when), when).toEqual(gone)
      })
      expect(kills).toBeGreaterThanOrEqual(change[0] === 'trash' ? 0 : 2)
    },
    180_000,
  )

  it('has each of several in one place with all its data, whichever journal write of a prune it died at', async () => {
    const names = ['one', 'two']
    const prune = ['volume', 'prune', '-af']
    const kills = await dying.atEachWrite(make(...names), [prune], async (when) => {
      const { volumes, trash } = await stateOf(when)
      expect({ ...volumes, ...trash }, when).toEqual({ one: 'of one', two: 'of two' })
      expect(Object.keys(volumes).length + Object.keys(trash).length, when).toBe(names.length)
      await clear()
    })
    expect(kills).toBeGreaterThanOrEqual(4)
  }, 180_000)

  it('keeps what containers say of a volume, whichever journal write of its renaming it died at', async () => {
    const prepare = async (): Promise<void> => {
      await make('data')()
      const run = ['run', '-d', '--name', 'web', '-v', 'data:/data', 'box', 'sleep', '600']
      expect((await daemon.docker(...run)).code).toBe(0)
    }
    const kills = await dying.atEachWrite(prepare, [['volume', 'rename', 'data', 'other']], async (when) => {
      const [name = ''] = Object.keys((await stateOf(when)).volumes)
      expect(['data', 'other'], when).toContain(name)
      const format = '{{(index .Mounts 0).Name}} {{(index .Mounts 0).Source}} {{index .HostConfig.Binds 0}}'
      const { stdout } = await daemon.docker('inspect', '-f', format, 'web')
      expect(stdout, when).toBe(`${name} ${join(root, name, '_data')} ${name}:/data\n`)
      expect((await daemon.docker('exec', 'web', 'cat', '/data/file')).stdout, when).toBe('of data')
      expect((await daemon.docker('volume', 'rm', name)).stderr, when).toContain('volume is in use')
      await clear()
    })
    expect(kills).toBeGreaterThanOrEqual(2)
  }, 180_000)

  it('leaves no anonymous volume behind, whichever journal write of a create it died at', async () => {
    const create = ['create', '--name', 'web', '-v', '/anonymous', 'box', 'true']
    const kills = await dying.atEachWrite(
      async () => {},
      [create],
      async (when) => {
        const names = Object.keys((await stateOf(when)).volumes)
        expect(names.length, when).toBe((await containers()).length)
        await clear()
      },
    )
    expect(kills).toBeGreaterThanOrEqual(4)
  }, 180_000)
})

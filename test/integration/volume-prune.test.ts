import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { VolumesPruned } from '../../src/api/schema/volume.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { raceVolumes } from '../helpers/volume-races.ts'

const daemon = await TestDaemon.start(['--volume-trash-space', '0%'])
const client = new TestClient(daemon)
const { docker, tsnet, refusal } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  await tsnet('volume', 'prune', '-af', '--now')
})
afterAll(() => daemon.stop())

const names = async (): Promise<string[]> =>
  (await docker('volume', 'ls', '-q')).split('\n').filter((name) => name !== '')
const fill = (name: string, bytes: number): void =>
  writeFileSync(join(daemon.dataRoot, 'volumes', name, '_data/file'), Buffer.alloc(bytes, 'x'))
const prune = async (version: string, query = ''): Promise<VolumesPruned> =>
  (await daemon.api('POST', `/v${version}/volumes/prune${query}`)).body as VolumesPruned

describe('volume prune', () => {
  it('takes anonymous ones alone, all of them with --all, and never one that a container mounts', async () => {
    await docker('create', '--name', 'user', '-v', 'used:/u', '-v', '/own', 'box', 'true')
    await docker('volume', 'create', 'named')
    const anonymous = await docker('volume', 'create')
    expect(await tsnet('volume', 'prune', '-f')).toMatch(
      new RegExp(`^Deleted Volumes:\n${anonymous} +\\S+\n\nTotal reclaimed space: \\d+`),
    )
    expect(await names()).toHaveLength(3)
    expect(await tsnet('volume', 'prune', '-af')).toMatch(
      /^Deleted Volumes:\nnamed +\S+\n\nTotal reclaimed space: \d+/,
    )
    expect(await names()).toHaveLength(2)
    // Of named ones Docker's older clients know no difference.
    const last = await docker('volume', 'create')
    expect(await docker('volume', 'prune', '-f')).toMatch(
      new RegExp(`^Deleted Volumes:\n${last}\n\nTotal reclaimed space: \\d+`),
    )
    expect(await docker('volume', 'prune', '-f')).toBe('Total reclaimed space: 0B')
    expect(await names()).toHaveLength(2)
  })

  it('before API 1.42 takes named ones too, and answers null where there are none', async () => {
    await docker('volume', 'create', 'named')
    expect(await prune('1.42')).toEqual({ VolumesDeleted: null, SpaceReclaimed: 0, Volumes: [] })
    expect((await prune('1.41')).VolumesDeleted).toEqual(['named'])
  })

  it('chooses by labels', async () => {
    await docker('volume', 'create', '--label', 'keep', 'kept')
    await docker('volume', 'create', '--label', 'tier=db', 'db')
    await docker('volume', 'create', '--label', 'tier=web', 'web')
    await tsnet('volume', 'prune', '-af', '--filter', 'label=tier=db')
    expect(await names()).toEqual(['kept', 'web'])
    await tsnet('volume', 'prune', '-af', '--filter', 'label!=keep')
    expect(await names()).toEqual(['kept'])
    expect(await refusal('volume', 'prune', '-f', '--filter', 'colour=red')).toContain('colour')
    expect((await daemon.tsnet('volume', 'prune', '-a', '--filter', 'all=1', '-f')).stderr).toContain(
      'conflicting options: cannot specify both --all and --filter all=1',
    )
  })

  it('asks first, in Docker’s words', async () => {
    await docker('volume', 'create', 'named')
    const ask = async (...args: string[]): Promise<string> =>
      (await daemon.tsnetWith({ input: 'n\n' }, 'volume', 'prune', ...args)).stdout
    expect(await ask()).toContain(
      'WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue? [y/N] ',
    )
    expect(await ask('--all')).toContain(
      'WARNING! This will remove all local volumes not used by at least one container.\n',
    )
    expect(await names()).toEqual(['named'])
  })

  it('tells each one’s name, size and origin, and with --dry-run nothing more happens', async () => {
    await docker('volume', 'create', 'big')
    fill('big', 1 << 20)
    await docker('run', '--name', 'web', '-v', '/v', 'box', 'true')
    await docker('rm', 'web')
    const shown = /big +1\.05MB\n[0-9a-f]{64} +\S+ +web:\/v \(box\)\n/
    const dry = await tsnet('volume', 'prune', '-a', '--dry-run')
    expect(dry).toMatch(/^Would be deleted:\n/)
    expect(dry).toMatch(shown)
    expect(dry).toMatch(/\n\nTotal reclaimable space: 1\.05\d?MB$/)
    expect(await names()).toHaveLength(2)
    const done = await tsnet('volume', 'prune', '-af')
    expect(done).toMatch(shown)
    expect(done).toMatch(
      /\n\nTotal reclaimed space: 1\.05\d?MB, in 2[34] hours: until then tsnet volume restore brings them back$/,
    )
    await tsnet('volume', 'restore', 'big')
    expect(await tsnet('volume', 'prune', '-af', '--now')).toMatch(/\n\nTotal reclaimed space: 1\.05\d?MB$/)
  })
})

describe('volumes that are pruned and removed while containers are created with them', () => {
  it('are there for every container that was created', async () => {
    expect(await raceVolumes(daemon, { rounds: 12, volumes: 25 })).toMatchObject({ lost: [], races: 300 })
  }, 120_000)
})

import { afterAll, beforeAll, expect, it } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { raceVolumes } from '../helpers/volume-races.ts'

/** TSNET_CHAOS_RACES, for a shorter or longer run */
const races = Number(process.env['TSNET_CHAOS_RACES'] ?? 100_000)
const volumes = 50

let daemon: TestDaemon
beforeAll(async () => {
  daemon = await TestDaemon.start(['--volume-trash-age', '1m', '--volume-trash-space', '0%'])
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(() => daemon.stop())

it('never removes a volume that a container mounts, however often creates and removals meet', async () => {
  const result = await raceVolumes(daemon, { rounds: Math.ceil(races / volumes), volumes })
  console.log(`${result.races} races: ${result.remade} volumes were removed before their container was there`)
  expect(result.lost).toEqual([])
  expect(result.remade).toBeGreaterThan(0)
})

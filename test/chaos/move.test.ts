import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { MoveLab } from '../helpers/move-lab.ts'

const lab = await MoveLab.start()
const [steady, mortal] = lab.hosts
afterAll(() => lab.stop())

const check = (when: string) => lab.checkWhole(when)
const to = (host: string): string[] => ['container', 'move', '--to', host, 'web']

describe('a container that moves', () => {
  it('is whole on one host, whichever journal write a daemon died at where it was', async () => {
    expect(await lab.dying.atEachWrite(() => lab.startOn(mortal), [to('h1')], check)).toBeGreaterThan(5)
  })

  it('is whole on one host, whichever journal write a daemon died at where it was to be', async () => {
    const dying = { asked: steady.daemon }
    expect(await lab.dying.atEachWrite(() => lab.startOn(steady), [to('h2')], check, dying)).toBeGreaterThan(
      15,
    )
  })

  it('is whole on one host, whenever the other one is cut off, or etcd goes away', async () => {
    for (let delay = 50; delay < 1000; delay += 150) {
      for (const [cut, mend] of [
        [() => lab.cluster.plug(0, false), () => lab.cluster.plug(0, true)],
        [() => lab.cluster.etcd.freezeAll(), () => lab.cluster.etcd.resumeAll()],
      ] as const) {
        await lab.startOn(mortal)
        const moving = mortal.daemon.tsnet(...to('h1'))
        await sleep(delay)
        await cut()
        await sleep(4000)
        await mend()
        await moving
        await check(`cut off after ${delay} ms`)
      }
    }
  })
})

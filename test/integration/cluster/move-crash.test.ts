import { afterAll, describe, expect, it } from 'vitest'
import { MoveLab } from '../../helpers/move-lab.ts'

const lab = await MoveLab.start()
const [steady, mortal] = lab.hosts
afterAll(() => lab.stop())

/** All of them are tried by test/chaos/move.test.ts. */
describe('a daemon killed in the middle of a move', () => {
  it('where the container is: before the other host may have it, and while what it had here is removed', async () => {
    const change = ['container', 'move', '--to', 'h1', 'web']
    const prepare = () => lab.startOn(mortal)
    const check = (when: string) => lab.checkWhole(when)
    expect(await lab.dying.atEachWrite(prepare, [change], check, { writes: [4, 6] })).toBe(2)
  })

  it('where the container is to be: when etcd is just asked, and while it starts', async () => {
    const change = ['container', 'move', '--to', 'h2', 'web']
    const prepare = () => lab.startOn(steady)
    const check = (when: string) => lab.checkWhole(when)
    const dying = { asked: steady.daemon, writes: [9, 17] }
    expect(await lab.dying.atEachWrite(prepare, [change], check, dying)).toBe(2)
  })
})

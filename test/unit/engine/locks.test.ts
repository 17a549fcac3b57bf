import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Locks } from '../../../src/engine/locks.ts'

describe('a lock', () => {
  test('lets bodies run one after the other, in order of arrival', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 8 }), async (scheduler, count) => {
        const locks = new Locks()
        const log: string[] = []
        const bodies = Array.from({ length: count }, (_, index) =>
          locks.run('one', async () => {
            log.push(`in ${index}`)
            await scheduler.schedule(Promise.resolve())
            log.push(`out ${index}`)
          }),
        )
        await scheduler.waitFor(Promise.all(bodies))
        expect(log).toEqual(
          Array.from({ length: count }, (_, index) => [`in ${index}`, `out ${index}`]).flat(),
        )
      }),
    )
  })

  test('of one subject does not hold up another', async () => {
    const locks = new Locks()
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = locks.run('one', () => promise)
    await locks.run('two', async () => {})
    resolve()
    await held
  })

  test('gives each caller its own result, and its own failure', async () => {
    const locks = new Locks()
    const failing = locks.run('one', () => Promise.reject(new Error('first')))
    const next = locks.run('one', () => Promise.resolve(2))
    await expect(failing).rejects.toThrow('first')
    await expect(next).resolves.toBe(2)
    await expect(locks.run('one', () => Promise.resolve(3))).resolves.toBe(3)
  })

  test('is free again for a body that comes after all others are done', async () => {
    const locks = new Locks()
    await locks.run('one', async () => {})
    let ran = false
    await locks.run('one', async () => {
      ran = true
    })
    expect(ran).toBe(true)
  })

  test('of several subjects does not wait for one that waits for it, in whatever order they are named', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.subarray(['a', 'b', 'c', 'c']), { maxLength: 8 }),
        async (scheduler, wishes) => {
          const locks = new Locks()
          const held = new Set<string>()
          const bodies = wishes.map((wish) =>
            locks.runAll(wish.toReversed(), async () => {
              const subjects = [...new Set(wish)]
              expect(subjects.filter((one) => held.has(one))).toEqual([])
              for (const one of subjects) held.add(one)
              await scheduler.schedule(Promise.resolve())
              for (const one of subjects) held.delete(one)
            }),
          )
          await scheduler.waitFor(Promise.all(bodies))
        },
      ),
    )
  })
})

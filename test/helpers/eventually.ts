import { setTimeout as sleep } from 'node:timers/promises'

/** Tries until it does not fail, for up to 15 s. Throws the last failure. */
export async function eventually<T>(attempt: () => T | Promise<T>, what = ''): Promise<T> {
  const end = performance.now() + 15_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > end) throw what === '' ? error : new Error(`${what}: ${String(error)}`)
    }
    await sleep(50)
  }
}

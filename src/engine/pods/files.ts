/** Records of a kind as files, for a process that has no database: written whole, and seen whole by who comes next. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Collection } from '../../store/store.ts'

const ending = '.json'

/** Keys are names of files. To be used by one process at a time. */
export function openFiles<V>(directory: string): Collection<V> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const values = new Map<string, V>()
  for (const file of readdirSync(directory).sort()) {
    const path = join(directory, file)
    const value = file.endsWith(ending) ? readValue<V>(path) : undefined
    // Cut short, by a kill or by the end of power: what it was to hold has not been begun, or is gone.
    if (value === undefined) rmSync(path, { force: true })
    else values.set(file.slice(0, -ending.length), value)
  }
  let writes = 0
  return {
    get size() {
      return values.size
    },
    get writes() {
      return writes
    },
    get: (key) => values.get(key),
    has: (key) => values.has(key),
    values: () => values.values(),
    put(key, value) {
      const path = join(directory, `${key}${ending}`)
      writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 })
      renameSync(`${path}.new`, path)
      values.set(key, value)
      writes++
    },
    delete(key) {
      if (values.delete(key)) writes++
      rmSync(join(directory, `${key}${ending}`), { force: true })
    },
  }
}

function readValue<V>(path: string): V | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as V
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Contestant } from './case.ts'
import { timeCommand } from './command.ts'

const DIRECTORIES = 50
const FILES_EACH = 100
const CONTENT = randomBytes(4000)

/** What volumes are often full of. */
export const smallFiles = {
  title: `${DIRECTORIES * FILES_EACH} files of 4 kB`,
  paths: Array.from({ length: DIRECTORIES }, (_, directory) =>
    Array.from({ length: FILES_EACH }, (_, file) => `${directory}/${file}`),
  ).flat(),
  content: CONTENT,
  fill(root: string): void {
    for (let directory = 0; directory < DIRECTORIES; directory++) mkdirSync(`${root}/${directory}`)
    for (const path of this.paths) writeFileSync(`${root}/${path}`, CONTENT)
  },
}

/**
 * cp, which does nothing but copy. With `keeps` each copy stays until the benchmarks are over: before ext4 takes an inode it looks over
 * all that were freed in the last minutes, which would be most of what is measured. What is large is removed before it reaches the disk.
 */
export function copier(source: string, targets: string, keeps: boolean): Contestant {
  let copies = 0
  return {
    name: 'cp -a --reflink=auto',
    async sample() {
      const target = `${targets}/${copies++}`
      const took = await timeCommand(['cp', '-a', '--reflink=auto', source, target])
      if (!keeps) rmSync(target, { recursive: true })
      return took
    },
  }
}

import { mkdirSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { copyTree as copy } from '../../sys/copy-tree.ts'
import { isTreeEmpty, settleStagedTree } from '../../sys/staged-tree.ts'
import type { Context } from './job.ts'

export interface CopyTree {
  readonly from: string
  /** Made when missing. */
  readonly to: string
}

/** Copies a whole volume into an empty directory; returns how many bytes of content. What is there after a failure is the caller's to remove. */
export function copyTree({ from, to }: CopyTree, context: Context): number {
  settleStagedTree(from)
  mkdirSync(to, { recursive: true, mode: 0o700 })
  // A new file system on a device has it.
  if (!isTreeEmpty(to, ['lost+found'])) {
    throw new TsnetError('conflict', 'copy-target-full', `${to} is not empty: it already holds other data`)
  }
  return copyCounted(from, to, context)
}

/** The progress has no total: who wants one measures the source at the same time. */
export function copyCounted(
  from: Parameters<typeof copy>[0],
  to: Parameters<typeof copy>[1],
  context: Context,
): number {
  let bytes = 0
  const progress = (copied: number): void => {
    bytes += copied
    context.progress(bytes, 0)
  }
  copy(from, to, { progress })
  return bytes
}

import { replaceTree as replace, settleStagedTree } from '../../sys/staged-tree.ts'
import { copyCounted } from './copy-tree.ts'
import type { Context } from './job.ts'

export interface ReplaceTree {
  /** What is to be there. */
  readonly from: string
  /** Where: at any moment it can be told whether all of the old or all of the new content counts. */
  readonly to: string
}

/** Gives a volume the content of a copy; the copy stays. */
export function replaceTree({ from, to }: ReplaceTree, context: Context): void {
  replace(to, (staged) => copyCounted(from, staged, context))
}

/** Ends what a kill interrupted in a volume. */
export function settleTree({ path }: { readonly path: string }): void {
  settleStagedTree(path)
}

import { basename, dirname } from 'node:path'
import { openDirectory } from '../../sys/at.ts'
import { cPath } from '../../sys/file.ts'
import { removeTreeAt } from '../../sys/remove-tree.ts'
import type { Context } from './job.ts'

/** Removes a directory with all that is in it; nothing to do when there is none. */
export function removeTree({ path }: { readonly path: string }, context: Context): void {
  using parent = openDirectory(dirname(path))
  removeTreeAt(parent.number, cPath(basename(path)), () => context.progress(0, 0))
}

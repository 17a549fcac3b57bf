import { openDirectory } from '../../sys/at.ts'
import { syncFileSystem } from '../../sys/sync-file-system.ts'

/** A power cut leaves the tree as it is now. */
export function syncTree({ path }: { readonly path: string }): void {
  using root = openDirectory(path)
  syncFileSystem(root)
}

import { rmSync } from 'node:fs'

/** Removes a directory with all that is in it; nothing to do when there is none. */
export function removeTree({ path }: { readonly path: string }): void {
  rmSync(path, { recursive: true, force: true })
}

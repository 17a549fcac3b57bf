/** Looks at paths that others have given: each may lie on a file system whose server is dead. */
import { statSync } from 'node:fs'

export type SourceKind = 'directory' | 'file' | 'missing'

/** What is at each path, links followed. Throws what the kernel says of one that cannot be looked at. */
export function statSources({ paths }: { readonly paths: readonly string[] }): SourceKind[] {
  return paths.map((path) => {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return 'missing'
    return stats.isDirectory() ? 'directory' : 'file'
  })
}

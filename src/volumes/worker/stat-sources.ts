/** Looks at paths that others have given: each may lie on a file system whose server is dead. */
import { mkdirSync, statSync } from 'node:fs'

export type SourceKind = 'directory' | 'file' | 'missing'

export interface StatSources {
  readonly paths: readonly string[]
  /** Makes a directory where there is nothing. */
  readonly create: boolean
}

/** What is at each path, links followed. Throws what the kernel says of one that cannot be looked at. */
export function statSources({ paths, create }: StatSources): SourceKind[] {
  return paths.map((path) => {
    const found = kindOf(path)
    if (found !== 'missing' || !create) return found
    mkdirSync(path, { recursive: true, mode: 0o755 })
    return kindOf(path)
  })
}

function kindOf(path: string): SourceKind {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return 'missing'
  return stats.isDirectory() ? 'directory' : 'file'
}

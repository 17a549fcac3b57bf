/** What a kill in the middle of a replacement leaves in a directory (src/sys/staged-tree.ts). */
import { mkdirSync } from 'node:fs'
import { setXattr } from '../../src/sys/xattr.ts'

/** Makes the stage empty; returns its path. */
export function makeStage(directory: string, name: 'copying' | 'new' | 'old' | 'installing'): string {
  const path = `${directory}/.tsnet-${name}`
  mkdirSync(path)
  setXattr(path, 'trusted.tsnet.stage', Buffer.from('1'))
  return path
}

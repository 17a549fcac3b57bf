/** Fills an empty volume with what the image has at its target: files, links, owners, modes and times. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { makeFifo } from '../sys/file.ts'

export function copyUp(from: string, to: string): void {
  // An image may have a link at the target: what it leads to is meant.
  const stats = statSync(from)
  for (const name of readdirSync(from)) copyEntry(`${from}/${name}`, `${to}/${name}`)
  applyStats(to, stats)
}

function copyEntry(from: string, to: string): void {
  const stats = lstatSync(from)
  if (stats.isSymbolicLink()) {
    symlinkSync(readlinkSync(from), to)
    lchownSync(to, stats.uid, stats.gid)
    lutimesSync(to, stats.atime, stats.mtime)
    return
  }
  if (stats.isDirectory()) {
    mkdirSync(to)
    copyUp(from, to)
    return
  }
  if (stats.isFile()) copyFileSync(from, to)
  else if (stats.isFIFO()) makeFifo(to, 0o600)
  // Sockets and devices mean nothing in a volume.
  else return
  applyStats(to, stats)
}

/** The mode comes after the owner: chown(2) takes set-user-id bits away. */
function applyStats(path: string, stats: Stats): void {
  chownSync(path, stats.uid, stats.gid)
  chmodSync(path, stats.mode & 0o7777)
  utimesSync(path, stats.atime, stats.mtime)
}

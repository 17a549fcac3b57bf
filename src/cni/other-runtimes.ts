/** Attachments of other runtimes on this host, as libcni notes them: a network's garbage is what is in nobody's hands. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Attachment } from './chain.ts'
import { isObject } from './network-list.ts'

const directory = '/var/lib/cni/results'

export function attachmentsOfOthers(network: string): Pick<Attachment, 'containerId' | 'interfaceName'>[] {
  return listNotes().flatMap((file) => {
    const note = readNote(join(directory, file))
    if (!isObject(note) || note['networkName'] !== network) return []
    const { containerId, ifName } = note
    if (typeof containerId !== 'string' || typeof ifName !== 'string') return []
    return [{ containerId, interfaceName: ifName }]
  })
}

function listNotes(): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** One that goes, or is being written, at this moment is none. */
function readNote(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null
  }
}

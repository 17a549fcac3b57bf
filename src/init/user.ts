/** Resolves `user[:group]` by the container's own /etc/passwd and /etc/group, as runc does. Runs inside the root. */
import { readFileSync } from 'node:fs'
import { StartError } from './start-error.ts'

export interface ResolvedUser {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly home: string
}

interface Entry {
  readonly name: string
  readonly id: number
  readonly fields: readonly string[]
}

/** Lines of passwd(5) or group(5): both have the name first and the id third. A missing file is an empty one. */
function readEntries(path: string): Entry[] {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 3 && /^\d+$/.test(fields[2] ?? ''))
    .map((fields) => ({ name: fields[0] ?? '', id: Number(fields[2]), fields }))
}

const highestId = 2 ** 31 - 1

function numericId(text: string): number | null {
  if (!/^\d+$/.test(text)) return null
  const id = Number(text)
  if (id > highestId) throw new StartError(`uids and gids must be in range 0-${highestId}`)
  return id
}

function findGroup(groups: readonly Entry[], wanted: string): number {
  const id = groups.find((entry) => entry.name === wanted)?.id ?? numericId(wanted)
  if (id === null) throw new StartError(`unable to find group ${wanted}: no matching entries in group file`)
  return id
}

/** `wanted` '' is root. `extra` are the groups of --group-add. Throws StartError for names that are in no file. */
export function resolveUser(wanted: string, extra: readonly string[]): ResolvedUser {
  const [userText = '', groupText = ''] = wanted.split(':')
  const users = readEntries('/etc/passwd')
  const groups = readEntries('/etc/group')
  const numeric = numericId(userText === '' ? '0' : userText)
  const user = users.find((entry) => entry.name === userText) ?? users.find((entry) => entry.id === numeric)
  if (user === undefined && numeric === null) {
    throw new StartError(`unable to find user ${userText}: no matching entries in passwd file`)
  }
  const uid = user?.id ?? numeric ?? 0
  const gid = groupText === '' ? Number(user?.fields[3] ?? 0) : findGroup(groups, groupText)
  // An explicit group replaces the user's supplementary ones.
  const memberships =
    groupText === '' && user !== undefined
      ? groups
          .filter((entry) => (entry.fields[3] ?? '').split(',').includes(user.name))
          .map((entry) => entry.id)
      : []
  const all = [...new Set([gid, ...memberships, ...extra.map((name) => findGroup(groups, name))])]
  return { uid, gid, groups: all, home: user?.fields[5] || '/' }
}

/** Resolves `user[:group]` by the container's own /etc/passwd and /etc/group, as runc does. Runs inside the root. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
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

/** Lines of passwd(5) or group(5): both have the name first and the id third. */
function parseEntries(text: string): Entry[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .filter((fields) => /^\d+$/.test(fields[2] ?? ''))
    .map((fields) => ({ name: fields[0] ?? '', id: Number(fields[2]), fields }))
}

const highestId = 2 ** 31 - 1

function numericId(text: string): number | null {
  if (!/^\d+$/.test(text)) return null
  const id = Number(text)
  if (id > highestId) throw new StartError(`uids and gids must be in range 0-${highestId}`)
  return id
}

/** A group of --group-add; here a name of digits counts as a name first. */
function findExtraGroup(groups: readonly Entry[], wanted: string): number {
  return groups.find((entry) => entry.name === wanted)?.id ?? findGroup(groups, wanted)
}

function findGroup(groups: readonly Entry[], wanted: string): number {
  const id = numericId(wanted) ?? groups.find((entry) => entry.name === wanted)?.id
  if (id === undefined)
    throw new StartError(`unable to find group ${wanted}: no matching entries in group file`)
  return id
}

/** A number is always an id, even where a user has it for a name: nobody gets more rights by a name in the image. */
function findUser(users: readonly Entry[], wanted: string): Entry {
  const id = numericId(wanted)
  const user = users.find((entry) => (id === null ? entry.name === wanted : entry.id === id))
  if (user !== undefined) return user
  if (id !== null) return { name: '', id, fields: [] }
  throw new StartError(`unable to find user ${wanted}: no matching entries in passwd file`)
}

/** `user[:group]` by the text of passwd(5) and group(5); '' is root. Throws StartError for names that are in neither. */
export function findIdentity(
  wanted: string,
  extra: readonly string[],
  files: { readonly passwd: string; readonly group: string },
): ResolvedUser {
  const [userText = '', groupText = ''] = wanted.split(':')
  const groups = parseEntries(files.group)
  const user = findUser(parseEntries(files.passwd), userText === '' ? '0' : userText)
  const gid = groupText === '' ? (numericId(user.fields[3] ?? '') ?? 0) : findGroup(groups, groupText)
  // An explicit group replaces the user's supplementary ones.
  const memberships =
    groupText === '' && user.name !== ''
      ? groups.filter(({ fields }) => fields[3]?.split(',').includes(user.name)).map(({ id }) => id)
      : []
  const all = [...new Set([gid, ...memberships, ...extra.map((name) => findExtraGroup(groups, name))])]
  return { uid: user.id, gid, groups: all, home: user.fields[5] || '/' }
}

/** bytes; more than any passwd or group file has that is meant as one */
const largestFile = 16_777_216

/** The image decides what is there: a FIFO would keep init waiting, a device without an end would fill the host's memory. */
function readText(path: string): string {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return ''
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) return ''
    if (stats.size > largestFile)
      throw new StartError(`${path} has ${stats.size} bytes, more than ${largestFile}`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** By the container's own files, of which a missing one is an empty one. `extra` are the groups of --group-add. */
export function resolveUser(wanted: string, extra: readonly string[]): ResolvedUser {
  return findIdentity(wanted, extra, { passwd: readText('/etc/passwd'), group: readText('/etc/group') })
}

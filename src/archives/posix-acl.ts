/** POSIX ACLs: the kernel's form, as the attribute system.posix_acl_* has it (<linux/posix_acl_xattr.h>), and text (acl(5)). */

const version = 2
const entrySize = 8
/** the id of entries that have none */
const noId = 0xffff_ffff

const tags: readonly (readonly [word: string, tag: number, hasId: boolean])[] = [
  ['user', 0x01, false],
  ['user', 0x02, true],
  ['group', 0x04, false],
  ['group', 0x08, true],
  ['mask', 0x10, false],
  ['other', 0x20, false],
]

const entryPattern = /^(user|u|group|g|mask|m|other|o):([^:]*):([r-][w-][xX-])(?::(\d+))?$/
const fullWords: Readonly<Record<string, string>> = { u: 'user', g: 'group', m: 'mask', o: 'other' }

/** Entries by lines or commas, with numbers for names, or with both as star(1) has them. null when it is not understood. */
export function aclFromText(text: string): Buffer | null {
  const lines = text.split(/[\n,]/).map((line) => line.replace(/\s*(?:#.*)?$/, '').trim())
  const entries: (readonly [tag: number, id: number, bytes: Buffer])[] = []
  for (const line of lines.filter((one) => one !== '')) {
    const [, given = '', qualifier = '', permissions = '', extra] = entryPattern.exec(line) ?? []
    const word = fullWords[given] ?? given
    const hasId = qualifier !== '' && (word === 'user' || word === 'group')
    const tag = tags.find((candidate) => candidate[0] === word && candidate[2] === hasId)?.[1]
    const id = hasId ? Number(/^\d+$/.test(qualifier) ? qualifier : (extra ?? 'none')) : noId
    if (tag === undefined || !Number.isInteger(id) || id > noId) return null
    entries.push([tag, id, encodeEntry(tag, permissions, id)])
  }
  // the order that the kernel wants
  entries.sort((one, other) => one[0] - other[0] || one[1] - other[1])
  const head = Buffer.alloc(4)
  head.writeUInt32LE(version)
  return Buffer.concat([head, ...entries.map(([, , bytes]) => bytes)])
}

function encodeEntry(tag: number, permissions: string, id: number): Buffer {
  const bits = [...permissions].reduce((sum, letter, index) => sum | (letter === '-' ? 0 : 4 >> index), 0)
  const entry = Buffer.alloc(entrySize)
  entry.writeUInt16LE(tag, 0)
  entry.writeUInt16LE(bits, 2)
  entry.writeUInt32LE(id, 4)
  return entry
}

/** One line an entry, ids as numbers. null when the bytes are of another version. */
export function aclToText(acl: Buffer): string | null {
  if (acl.length < 4 || acl.readUInt32LE(0) !== version) return null
  const lines: string[] = []
  for (let at = 4; at + entrySize <= acl.length; at += entrySize) {
    const [word, , hasId] = tags.find(([, tag]) => tag === acl.readUInt16LE(at)) ?? []
    if (word === undefined) return null
    const bits = acl.readUInt16LE(at + 2)
    const permissions = [...'rwx'].map((letter, index) => ((bits & (4 >> index)) === 0 ? '-' : letter))
    lines.push(`${word}:${hasId ? acl.readUInt32LE(at + 4) : ''}:${permissions.join('')}`)
  }
  return `${lines.join('\n')}\n`
}

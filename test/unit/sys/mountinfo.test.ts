import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readMounts } from '../../../src/sys/mountinfo.ts'

function mountsOf(text: string): ReturnType<typeof readMounts> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-mountinfo-'))
  try {
    writeFileSync(join(directory, 'mountinfo'), text)
    return readMounts(join(directory, 'mountinfo'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('mounts are told with any number of optional fields', () => {
  const text = `22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
36 22 0:30 /a /srv/a rw shared:1 master:2 unbindable - nfs4 10.0.0.1:/x rw,vers=4.2
`
  expect(mountsOf(text)).toMatchObject([
    { target: '/', type: 'ext4', source: '/dev/vda1' },
    { target: '/srv/a', type: 'nfs4', source: '10.0.0.1:/x' },
  ])
})

test('blanks, newlines and backslashes in paths are as they are', () => {
  const text = String.raw`36 22 0:30 / /a\040b\012c\134040 rw - tmpfs a\040-\040b rw`
  expect(mountsOf(text)).toMatchObject([{ target: '/a b\nc\\040', type: 'tmpfs', source: 'a - b' }])
})

test('the root of this process is one of them', () => {
  expect(readMounts().some(({ target }) => target === '/')).toBe(true)
})

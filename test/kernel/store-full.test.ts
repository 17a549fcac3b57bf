/** A store whose disk is full, in a mount namespace of its own that takes the small file system away with it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const source = join(import.meta.dirname, '../../src/store/store.ts')

/** Prints what `script` prints in a file system of 8 MiB, the working directory; `fill` and `store` are at hand. */
function onSmallDisk(script: string): unknown {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-full-'))
  const program = `
    import { appendFileSync } from 'node:fs'
    import { openStore } from '${source}'
    const fill = () => { try { for (;;) appendFileSync('big', Buffer.alloc(4096)) } catch (error) { return error.code } }
    let store = openStore('state.db')
    ${script}`
  try {
    const command = 'mount -t tmpfs -o size=8m tmpfs "$1" && cd "$1" && exec "$2" --input-type=module -e "$3"'
    const args = ['-m', '--propagation', 'private', 'sh', '-c', command, 'sh', directory, process.execPath]
    return JSON.parse(execFileSync('unshare', [...args, program], { encoding: 'utf8' }))
  } finally {
    rmdirSync(directory)
  }
}

const endings = `
  for (let count = 0; count < 500; count++) {
    const entry = store.journal.begin('stop', 'one')
    store.volumes.put('one', { name: 'one', labels: { count: String(count).padStart(3000) } })
    store.journal.clear(entry)
  }`

test('records what ends on a full disk, as often as it likes', () => {
  const script = `const full = fill(); ${endings}; store.close(); store = openStore('state.db')
    console.log(JSON.stringify([full, Number(store.volumes.get('one').labels.count), store.journal.entries().length]))`
  expect(onSmallDisk(script)).toEqual(['ENOSPC', 499, 0])
})

test('can be opened again on a disk that has become full', () => {
  const script = `store.volumes.put('one', { name: 'one', labels: {} }); store.close(); fill()
    store = openStore('state.db'); console.log(JSON.stringify([...store.volumes.values()].map(({ name }) => name)))`
  expect(onSmallDisk(script)).toEqual(['one'])
})

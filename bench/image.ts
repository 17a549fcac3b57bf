import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'

/** A root of busybox and its links: the same for every contestant. Debian's busybox-static brings the program. */
export async function makeRootArchive(): Promise<Buffer> {
  const archive = pack()
  for (const name of ['bin', 'data', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp']) {
    archive.entry({ name: `${name}/`, type: 'directory', mode: name === 'tmp' ? 0o1777 : 0o755 })
  }
  archive.entry({ name: 'bin/busybox', mode: 0o755 }, readFileSync('/bin/busybox'))
  for (const applet of ['cat', 'ls', 'sh', 'sleep', 'true']) {
    archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' })
  }
  archive.entry({ name: 'etc/passwd' }, 'root:x:0:0:root:/root:/bin/sh\n')
  archive.entry({ name: 'etc/group' }, 'root:x:0:\n')
  archive.finalize()
  return buffer(archive)
}

/** The image's name in every engine. */
export const IMAGE = 'docker.io/library/bench:latest'

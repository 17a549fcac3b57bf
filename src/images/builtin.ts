/**
 * The built-in image `tsnet/hello`: a small web server that shows what its container is. It is made on this machine from
 * Debian's static busybox, so that a first container needs no registry. The same busybox makes the same image.
 */
import { readFileSync } from 'node:fs'
import { pack } from 'tar-stream'
import { TsnetError } from '../errors.ts'
import { helloFiles } from './hello.ts'
import type { RootImage } from './import.ts'
import { hostPlatform } from './platform.ts'
import { familiarReference, parseReference, withDefaultTag } from './reference.ts'

const builtinName = 'tsnet/hello:latest'
const busybox = '/bin/busybox'
const install = 'apt-get install busybox-static'
const epoch = new Date(0)

/** What the server's script and people at a shell in the container want. */
const applets = [
  ...[
    '[',
    'ash',
    'awk',
    'cat',
    'chmod',
    'cp',
    'cut',
    'date',
    'df',
    'dirname',
    'echo',
    'env',
    'false',
    'free',
    'grep',
  ],
  ...[
    'head',
    'hexdump',
    'hostname',
    'httpd',
    'id',
    'ifconfig',
    'ip',
    'kill',
    'less',
    'ln',
    'ls',
    'mkdir',
    'mount',
  ],
  ...[
    'mv',
    'nc',
    'netstat',
    'nslookup',
    'ping',
    'printf',
    'ps',
    'pwd',
    'rm',
    'rmdir',
    'route',
    'sed',
    'sh',
    'sleep',
  ],
  ...[
    'sort',
    'stat',
    'tail',
    'tar',
    'test',
    'top',
    'touch',
    'traceroute',
    'true',
    'umount',
    'uname',
    'uptime',
    'usleep',
  ],
  ...['vi', 'wc', 'wget', 'whoami', 'xargs'],
]

/** Whether the text names the image that is made here and not pulled. */
export function isBuiltin(ref: string): boolean {
  try {
    return familiarReference(withDefaultTag(parseReference(ref))) === builtinName
  } catch {
    return false
  }
}

/** The image's parts. Throws kind 'unavailable', saying what to install, when busybox is missing or not static. */
export function buildHello(): RootImage {
  const program = readBusybox()
  return {
    archive: rootArchive(program),
    fields: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: ['/hello'],
      ExposedPorts: { '80/tcp': {} },
      WorkingDir: '/',
      Labels: { 'org.opencontainers.image.title': 'tsnet/hello' },
    },
    comment: 'made by tsnet',
    created: epoch.toISOString(),
    platform: hostPlatform(),
    tags: [builtinName],
  }
}

function readBusybox(): Buffer {
  let program: Buffer
  try {
    program = readFileSync(busybox)
  } catch (cause) {
    throw new TsnetError(
      'unavailable',
      'busybox',
      `${busybox} is missing, of which ${builtinName} is made: ${install}`,
      {
        cause,
      },
    )
  }
  if (isStatic(program)) return program
  throw new TsnetError(
    'unavailable',
    'busybox',
    `${busybox} is not a static program, of which ${builtinName} is made: ${install}`,
  )
}

/** PT_INTERP of <elf.h>: a program that names its loader is dynamic. */
const PT_INTERP = 3

/** Reads the program headers of a 64-bit little-endian ELF file (elf(5)). */
function isStatic(program: Buffer): boolean {
  if (program.length < 64 || program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2) return false
  const offset = Number(program.readBigUInt64LE(32))
  const size = program.readUInt16LE(54)
  const count = program.readUInt16LE(56)
  for (let index = 0; index < count; index++) {
    if (program.readUInt32LE(offset + index * size) === PT_INTERP) return false
  }
  return true
}

function rootArchive(program: Buffer): AsyncIterable<Buffer> {
  const archive = pack()
  const directory = (name: string, mode = 0o755): void => {
    archive.entry({ name, type: 'directory', mode, mtime: epoch })
  }
  for (const name of [
    'bin/',
    'dev/',
    'etc/',
    'proc/',
    'root/',
    'run/',
    'sys/',
    'var/',
    'www/',
    'www/cgi-bin/',
  ]) {
    directory(name)
  }
  directory('tmp/', 0o1777)
  archive.entry({ name: 'bin/busybox', mode: 0o755, mtime: epoch }, program)
  for (const applet of applets) {
    archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mode: 0o777, mtime: epoch })
  }
  for (const { path, mode, text } of helloFiles) archive.entry({ name: path, mode, mtime: epoch }, text)
  archive.finalize()
  return archive as AsyncIterable<Buffer>
}

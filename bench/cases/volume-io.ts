import { mkdirSync, rmSync } from 'node:fs'
import type { Case, Contestant } from '../case.ts'
import { type Argv, readCommand } from '../command.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { send } from '../request.ts'

const VOLUME = 'bench-io'
const MIB = 256
const PASSES = 16

/** The file is there already: blocks of the disk are none of the kernel's path from program to file. */
const commands = {
  write: `if=/dev/zero of=$DIR/file bs=64k count=${MIB * 16} conv=notrunc`,
  read: `if=$DIR/file of=/dev/null bs=64k`,
} as const
type Direction = keyof typeof commands

/** Prints what the passes alone have taken: neither a container's start nor the file's making has a part in it. */
function script(direction: Direction, directory: string): string {
  const command = commands[direction].replace('$DIR', directory)
  const dd = '/bin/busybox dd'
  const make = `${dd} if=/dev/zero of=${directory}/file bs=1M count=${MIB}`
  const passes = `for pass in ${'1 '.repeat(PASSES)}; do ${dd} ${command}; done`
  return `${make} 2>/dev/null; /bin/busybox time sh -c '${passes} 2>/dev/null' 2>&1`
}

/** Milliseconds, of which busybox's time knows tens. */
async function timePasses(argv: Argv): Promise<number> {
  const text = await readCommand(argv)
  const [, minutes, seconds] = /real\s+(\d+)m\s+([\d.]+)s/.exec(text) ?? []
  if (seconds === undefined) throw new Error(`time said something else than a time: ${text}`)
  return (Number(minutes) * 60 + Number(seconds)) * 1000
}

const onHost = (direction: Direction, directory: string): Contestant => ({
  name: 'host',
  sample: () => timePasses(['/bin/busybox', 'sh', '-c', script(direction, directory)]),
})

const inContainer = (engine: Engine, name: string, direction: Direction, mount: string): Contestant => ({
  name: `${engine.name} ${name}`,
  sample: () =>
    timePasses([
      ...engine.cli,
      ...['run', '--rm', '--network', 'none', '-v', `${mount}:/io`],
      ...[IMAGE, 'sh', '-c', script(direction, '/io')],
    ]),
})

export default {
  name: 'volume-io',
  order: 17,
  title: 'Reading and writing in a volume beside the host',
  about: `The same dd writes ${PASSES} times ${MIB} MiB over a file, and reads it as often, through the page cache. The host does so in a directory of the same file system.`,
  async *rows(stage) {
    const directory = `${stage.dir}/${VOLUME}`
    mkdirSync(directory)
    for (const engine of await stage.engines('tsnet')) {
      await send(engine.socket, 'POST', '/volumes/create', { Name: VOLUME })
      for (const direction of ['write', 'read'] as const) {
        const contestants = [
          onHost(direction, directory),
          inContainer(engine, 'bind', direction, directory),
          inContainer(engine, 'named volume', direction, VOLUME),
        ]
        yield { title: direction, unit: 'ms' as const, contestants }
      }
      await send(engine.socket, 'DELETE', `/volumes/${VOLUME}?now=true`)
    }
    rmSync(directory, { recursive: true })
  },
} satisfies Case

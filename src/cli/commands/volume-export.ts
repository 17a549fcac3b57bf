import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { text, toggle } from '../argv.ts'
import { ByteCount } from '../byte-count.ts'
import { defineCommand, printError } from '../command.ts'
import { badValue } from '../values/bad-value.ts'
import { isChanged, VolumeDownload } from '../volume-download.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME',
  summary: 'Export a volume to a zstd tar archive (streamed to STDOUT by default)',
  flags: {
    output: text('Write to a file, instead of STDOUT', { short: 'o' }),
    quiet: toggle('Suppress the progress output', { short: 'q' }),
  },
  arity: [1, 1],
  async run({ client, flags: { output, quiet }, args: [name] }) {
    if (output === '' && process.stdout.isTTY)
      throw badValue('cowardly refusing to save to a terminal. Use the -o flag or redirect')
    const count = new ByteCount(quiet ? { write: () => {} } : process.stderr, name!, 'Exporting')
    const open = (): AsyncIterable<Buffer> => count.of(new VolumeDownload(client, name!).chunks(0))
    if (output === '') await writeOut(open())
    else await writeFile(open, output, name!)
    return 0
  },
})

async function writeOut(chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
  }
}

/** A volume that is written to meanwhile may change more often than it can be read after broken connections. */
const mostBeginnings = 5

/** The file appears when it is whole and right. */
async function writeFile(open: () => AsyncIterable<Buffer>, path: string, name: string): Promise<void> {
  refuseOutput(path)
  const partial = `${path}.part`
  const fd = openSync(partial, 'w', 0o600)
  try {
    for (let beginning = 1; !(await fill(fd, open())); beginning++) {
      if (beginning === mostBeginnings) throw badValue(`volume ${name} changes too often to be exported`)
      printError(`volume ${name} has changed after the connection broke: exporting it from the beginning`)
      ftruncateSync(fd)
    }
    fsyncSync(fd)
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}

/** Throws before anything is sent, in Docker's words. */
function refuseOutput(path: string): void {
  const directory = dirname(path)
  if (!existsSync(directory)) throw badValue(`invalid output path: directory "${directory}" does not exist`)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw badValue(`invalid output path: "${path}" is a directory`)
}

/** false when the volume has changed before all of it was there. */
async function fill(fd: number, chunks: AsyncIterable<Buffer>): Promise<boolean> {
  let at = 0
  try {
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length; )
        done += writeSync(fd, chunk, done, chunk.length - done, at + done)
      at += chunk.length
    }
  } catch (error) {
    if (isChanged(error)) return false
    throw error
  }
  return true
}

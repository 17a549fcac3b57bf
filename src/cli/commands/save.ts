import { once } from 'node:events'
import { createWriteStream, renameSync, rmSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { badValue } from '../values/bad-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  flags: { output: text('Write to a file, instead of STDOUT', { short: 'o' }) },
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, flags: { output }, args }) {
    if (output === '' && process.stdout.isTTY) {
      throw badValue('cowardly refusing to save to a terminal. Use the -o flag or redirect')
    }
    const archive = await client.stream('GET', '/images/get', { query: { names: args } })
    if (output === '') await writeOut(archive)
    else await writeFile(archive, output)
    return 0
  },
})

async function writeOut(archive: Readable): Promise<void> {
  for await (const chunk of archive) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
  }
}

/** The file appears when it is whole. */
async function writeFile(archive: Readable, path: string): Promise<void> {
  const partial = `${path}.${process.pid}.part`
  try {
    await pipeline(archive, createWriteStream(partial, { mode: 0o600 }))
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw badValue(`failed to save image: ${(error as Error).message}`)
  }
}

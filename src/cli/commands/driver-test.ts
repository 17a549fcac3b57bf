import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { list } from '../argv.ts'
import { defineCommand } from '../command.ts'

export const command = defineCommand({
  usage: '[OPTIONS] FILE',
  summary: 'Try whether a driver in a file does what every driver does',
  flags: { opt: list('Options of what is tried; {} becomes another number each time', { short: 'o' }) },
  arity: [1, 1],
  async run({ flags, args: [file = ''] }) {
    const program = join(dirname(process.argv[1] ?? ''), 'driver-test.mjs')
    const args = [program, file, ...flags.opt]
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
  },
})

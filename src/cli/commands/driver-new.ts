import { copyFileSync, constants as fs } from 'node:fs'
import { dirname, join } from 'node:path'
import { TsnetError } from '../../errors.ts'
import { defineCommand, print } from '../command.ts'
import { badValue } from '../values/bad-value.ts'

const kinds = ['network', 'ipam', 'volume']

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'it is there already',
  ENOENT: 'there is no such folder',
}

export const command = defineCommand({
  usage: 'network|ipam|volume FILE',
  summary: 'Write a driver to start from',
  flags: {},
  arity: [2, 2],
  async run({ args: [kind = '', file = ''] }) {
    if (!kinds.includes(kind)) throw badValue(`"${kind}" is no kind of driver: give ${kinds.join(', ')}`)
    if (!/\.m?ts$/.test(file)) throw badValue(`"${file}" must end in .ts`)
    const template = join(dirname(process.argv[1] ?? ''), '../examples/new', `${kind}.ts`)
    try {
      copyFileSync(template, file, fs.COPYFILE_EXCL)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const reason = reasons[code ?? ''] ?? message
      throw new TsnetError('conflict', 'driver-file', `${file} cannot be written: ${reason}`)
    }
    print(`${file}: try it with tsnet driver test ${file}, then copy it to /etc/tsnet/drivers`)
    return 0
  },
})

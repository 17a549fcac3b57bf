import { errorKind, TsnetError } from '../../errors.ts'
import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { containerPath, imagePath, networkPath, volumePath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'

/** In the order in which a name is looked for. */
const paths: Readonly<Record<string, (name: string) => string>> = {
  container: (name) => containerPath(name, 'json'),
  image: (name) => imagePath(name, 'json'),
  network: (name) => networkPath(name),
  volume: volumePath,
}

export const command = defineCommand({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  summary: 'Return low-level information on containers, images, networks and volumes',
  flags: {
    ...inspectFlags,
    size: toggle('Display total file sizes if the type is container', { short: 's' }),
    type: text('Only inspect objects of the given type'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags: { format, size, type }, given, args }) {
    const kinds = Object.keys(paths)
    if (given.has('type') && !kinds.includes(type)) {
      throw badValue(`unknown type: ${JSON.stringify(type)}: must be one of "${kinds.join('", "')}"`)
    }
    const fetch = async (name: string) => {
      for (const kind of type === '' ? kinds : [type]) {
        try {
          return await client.call('GET', paths[kind]!(name), { query: { size } })
        } catch (error) {
          const isElsewhere =
            errorKind(error) === 'not-found' || String(error).includes('invalid reference format')
          if (type !== '' || !isElsewhere) throw error
        }
      }
      throw new TsnetError('not-found', 'object', `error: no such object: ${name}`)
    }
    return inspectObjects(args, format, fetch)
  },
})

import { text } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { containerPath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Change how fast containers may send and receive, at once when they run',
  flags: {
    'net-rate': text('Limit what they send, e.g. 50mbit or 50mbit,burst=128k; "" takes the limit away'),
    'net-rate-in': text('Limit what they receive'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags, given, args }) {
    if (given.size === 0) throw badValue('you must provide one or more flags when using this command')
    const body = {
      ...(given.has('net-rate') && { Out: flags['net-rate'] }),
      ...(given.has('net-rate-in') && { In: flags['net-rate-in'] }),
    }
    return forEach(args, (name) => client.call('POST', `/tsnet/v1${containerPath(name, 'rate')}`, { body }))
  },
})

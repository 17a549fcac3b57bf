import { list, text } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { containerPath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'
import { joinEgress, parseEgress } from '../values/egress.ts'

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Change what containers may reach, and how fast they may send and receive, at once when they run',
  flags: {
    egress: list(
      'What they may reach outside their networks (any, deny, allow=10.0.0.0/8:5432,example.com:443)',
      {
        placeholder: 'policy',
        parse: parseEgress,
      },
    ),
    'net-rate': text('Limit what they send, e.g. 50mbit or 50mbit,burst=128k; "" takes the limit away'),
    'net-rate-in': text('Limit what they receive'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  run({ client, flags, given, args }) {
    if (given.size === 0) throw badValue('you must provide one or more flags when using this command')
    const egress = given.has('egress') ? { Egress: joinEgress(flags.egress) } : null
    const rates = {
      ...(given.has('net-rate') && { Out: flags['net-rate'] }),
      ...(given.has('net-rate-in') && { In: flags['net-rate-in'] }),
    }
    return forEach(args, async (name) => {
      const post = (what: string, body: object) =>
        client.call('POST', `/tsnet/v1${containerPath(name, what)}`, { body })
      if (egress !== null) await post('egress', egress)
      if (Object.keys(rates).length > 0) await post('rate', rates)
    })
  },
})

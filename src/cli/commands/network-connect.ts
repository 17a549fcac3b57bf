import { integer, list, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { endpointSettings } from '../create-body.ts'
import { checkName, networkPath } from '../paths.ts'
import { badValue } from '../values/bad-value.ts'
import { cut } from '../values/cut.ts'
import { parseLink } from '../values/link.ts'
import { parseIpFlag } from '../values/network.ts'

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Connect a container to a network',
  flags: {
    alias: list('Add network-scoped alias for the container', { placeholder: 'strings' }),
    'driver-opt': list('driver options for the network', { placeholder: 'strings' }),
    'gw-priority': integer('Highest gw-priority provides the default gateway'),
    ip: value('IPv4 address (e.g., "172.30.100.104")', 'ip', '', parseIpFlag),
    ip6: value('IPv6 address (e.g., "2001:db8::33")', 'ip', '', parseIpFlag),
    link: list('Add link to another container', { parse: parseLink }),
    'link-local-ip': list('Add a link-local address for the container', {
      placeholder: 'ipSlice',
      parse: parseIpFlag,
    }),
  },
  arity: [2, 2],
  async run({ client, flags, args: [network, container] }) {
    const path = networkPath(network!, 'connect')
    const Container = checkName('container', container!)
    const EndpointConfig = endpointSettings({
      name: network!,
      aliases: flags.alias.flatMap((one) => one.split(',')),
      ip: flags.ip,
      ip6: flags.ip6,
      mac: '',
      links: [...flags.link],
      linkLocal: [...flags['link-local-ip']],
      driverOptions: Object.fromEntries(flags['driver-opt'].map(parseDriverOption)),
      gatewayPriority: flags['gw-priority'],
    })
    await client.call('POST', path, { body: { Container, EndpointConfig } })
    return 0
  },
})

function parseDriverOption(text: string): [string, string] {
  const [key, content] = cut(text, '=')
  if (content === undefined || key.trim() === '')
    throw badValue('invalid key/value pair format in driver options')
  return [key.trim(), content.trim()]
}

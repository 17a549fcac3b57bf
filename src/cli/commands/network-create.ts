import { list, map, text, toggle } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { assignAddresses, checkAuxiliary } from '../values/ipam.ts'
import { parseLabel, toRecord } from '../values/key-value.ts'
import { parseIpFlag } from '../values/network.ts'

/** Lists may be given as one value with commas too. */
function commaSeparated(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(','))
}

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK',
  summary: 'Create a network',
  flags: {
    attachable: toggle('Enable manual container attachment'),
    'aux-address': map('Auxiliary IPv4 or IPv6 addresses used by Network driver', { check: checkAuxiliary }),
    'config-from': text('The network from which to copy the configuration'),
    'config-only': toggle('Create a configuration only network'),
    dns: list('Set name servers that its containers ask instead of the host’s', {
      placeholder: 'ip',
      parse: parseIpFlag,
    }),
    driver: text('Driver to manage the Network', { short: 'd', initial: 'bridge' }),
    gateway: list('IPv4 or IPv6 Gateway for the master subnet', {
      placeholder: 'ipSlice',
      parse: (one) => one.split(',').map(parseIpFlag).join(','),
    }),
    ingress: toggle('Create swarm routing-mesh network'),
    internal: toggle('Restrict external access to the network'),
    'ip-range': list('Allocate container ip from a sub-range', { placeholder: 'ipNetSlice' }),
    'ipam-driver': text('IP Address Management Driver', { initial: 'default' }),
    'ipam-opt': map('Set IPAM driver specific options'),
    ipv4: toggle('Enable or disable IPv4 address assignment', { on: true }),
    ipv6: toggle('Enable or disable IPv6 address assignment'),
    label: list('Set metadata on a network', { parse: parseLabel }),
    opt: map('Set driver specific options', { short: 'o' }),
    scope: text("Control the network's scope"),
    subnet: list('Subnet in CIDR format that represents a network segment', { placeholder: 'strings' }),
  },
  arity: [1, 1],
  async run({ client, flags, given, args: [name] }) {
    const Config = assignAddresses({
      subnets: commaSeparated(flags.subnet),
      ranges: commaSeparated(flags['ip-range']),
      gateways: commaSeparated(flags.gateway),
      auxiliary: flags['aux-address'],
    })
    const body = {
      Name: name,
      CheckDuplicate: true,
      Driver: flags.driver,
      Scope: flags.scope,
      ...(given.has('ipv4') && { EnableIPv4: flags.ipv4 }),
      ...(given.has('ipv6') && { EnableIPv6: flags.ipv6 }),
      IPAM: { Driver: flags['ipam-driver'], Options: flags['ipam-opt'], Config },
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      ConfigOnly: flags['config-only'],
      ...(flags['config-from'] !== '' && { ConfigFrom: { Network: flags['config-from'] } }),
      ...(flags.dns.length > 0 && { DnsServers: flags.dns }),
      Options: flags.opt,
      Labels: toRecord(flags.label),
    }
    const { Id, Warning } = await client.call<{ Id: string; Warning?: string }>('POST', '/networks/create', {
      body,
    })
    if (Warning) printError(`WARNING: ${Warning}`)
    print(Id)
    return 0
  },
})

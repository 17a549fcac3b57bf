import { TsnetError } from '../../errors.ts'
import { defineCommand, print } from '../command.ts'
import { compareAddresses, withBrackets } from '../list-ports.ts'
import { containerPath } from '../paths.ts'
import { parsePort } from '../values/ports.ts'

interface HostBinding {
  readonly HostIp: string
  readonly HostPort: string
}

interface Inspected {
  readonly NetworkSettings: { readonly Ports: Readonly<Record<string, readonly HostBinding[] | null>> }
}

export const command = defineCommand({
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'List port mappings or a specific mapping for the container',
  flags: {},
  arity: [1, 2],
  async run({ client, args: [container, wanted] }) {
    const { NetworkSettings } = await client.call<Inspected>('GET', containerPath(container!, 'json'))
    if (wanted === undefined) {
      for (const line of formatMappings(NetworkSettings.Ports)) print(line)
      return 0
    }
    const port = parsePort(wanted)
    const bindings = NetworkSettings.Ports[port] ?? []
    if (bindings.length === 0) {
      throw new TsnetError('not-found', 'port', `no public port '${port}' published for ${container}`)
    }
    for (const binding of bindings.toSorted(compareBindings)) print(formatBinding(binding))
    return 0
  },
})

function formatMappings(ports: Inspected['NetworkSettings']['Ports']): string[] {
  return Object.entries(ports)
    .sort(([one], [other]) => Number.parseInt(one, 10) - Number.parseInt(other, 10) || (one < other ? -1 : 1))
    .flatMap(([port, bindings]) =>
      (bindings ?? []).toSorted(compareBindings).map((binding) => `${port} -> ${formatBinding(binding)}`),
    )
}

function compareBindings(one: HostBinding, other: HostBinding): number {
  return compareAddresses(one.HostIp, other.HostIp) || Number(one.HostPort) - Number(other.HostPort)
}

function formatBinding({ HostIp, HostPort }: HostBinding): string {
  return `${withBrackets(HostIp)}:${HostPort}`
}

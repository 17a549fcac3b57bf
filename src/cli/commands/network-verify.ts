import type { NetworkVerified, VerifiedHost, VerifiedPath } from '../../api/schema/verification.ts'
import { text } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { alignColumns, type Columns, printList } from '../output.ts'
import { networkPath } from '../paths.ts'

const columns: Columns<VerifiedPath> = {
  From: ['FROM', ({ From }) => From],
  To: ['TO', ({ To }) => To],
  State: ['STATE', ({ State }) => State],
  PathMtu: ['PATH MTU', ({ PathMtu }) => String(PathMtu ?? '-')],
  Loss: ['LOSS', formatLoss],
  Latency: ['LATENCY', formatLatency],
  Container: ['CONTAINER', ({ Container }) => Container],
  Address: ['ADDRESS', ({ Address }) => Address],
  Error: ['ERROR', (path) => path.Error],
}

const table =
  '{{.From}}\t{{.To}}\t{{.State}}\t{{.PathMtu}}\t{{.Loss}}\t{{.Latency}}\t{{.Container}}\t{{.Address}}'

export const command = defineCommand({
  usage: '[OPTIONS] NETWORK',
  summary: 'Show how the hosts of the cluster reach each other on an overlay network, after repairs',
  flags: {
    format: text(
      'List the pairs of hosts, instead of a matrix, by a custom template: "table", "table TEMPLATE", "json" or a Go template',
    ),
  },
  arity: [1, 1],
  async run({ client, flags: { format }, args: [network = ''] }) {
    const path = `/tsnet/v1${networkPath(network, 'verify')}`
    const verified = await client.call<NetworkVerified>('POST', path)
    if (format === '') print(renderMatrix(verified))
    else printList({ columns, table, quiet: '', labels: () => ({}) }, verified.Paths, format, false)
    const troubles = troublesOf(verified)
    for (const line of [...notesOf(verified), ...troubles]) printError(line)
    return troubles.length > 0 ? 1 : 0
  },
})

/** A line for each host that tells, a column for each that is told of. */
function renderMatrix({ Hosts, Paths }: NetworkVerified): string {
  const names = [...new Set([...Hosts.map(({ Name }) => Name), ...Paths.map(({ To }) => To)])]
  const cellOf = (from: VerifiedHost, to: string): string => {
    if (from.Name === to) return '-'
    const path = Paths.find(({ From, To }) => From === from.Name && To === to)
    if (path !== undefined) return formatPath(path)
    return from.Answered ? 'not seen' : 'no answer'
  }
  const rows = Hosts.map((host) => [
    host.Name,
    ...names.map((name) => cellOf(host, name)),
    host.Answered ? String(host.Repaired) : '-',
  ])
  const head = ['FROM', ...names.map((name) => `TO ${name}`), 'REPAIRED']
  return alignColumns([head, ...rows].map((row) => row.join('\t'))).join('\n')
}

function formatPath(path: VerifiedPath): string {
  if (path.PathMtu === null) return path.State
  return `MTU ${path.PathMtu}, ${formatLoss(path)} lost, ${formatLatency(path)}`
}

function formatLoss({ Sent, Received }: VerifiedPath): string {
  return Sent === 0 ? '-' : `${Math.round((100 * (Sent - Received)) / Sent)}%`
}

function formatLatency({ Latency }: VerifiedPath): string {
  return Latency === null ? '-' : `${Latency.toFixed(2)} ms`
}

/** What is no trouble. */
function notesOf({ Hosts, Warning }: NetworkVerified): string[] {
  const repairs = Hosts.flatMap(({ Name, Faults }) => Faults.map((fault) => `${Name}: ${fault}: put right`))
  return Warning === '' ? repairs : [`this host alone was asked: ${Warning}`, ...repairs]
}

function troublesOf({ Hosts, Paths }: NetworkVerified): string[] {
  return [
    ...Hosts.filter(({ Answered }) => !Answered).map(({ Name }) => `${Name} has not answered in time`),
    ...Hosts.filter((host) => host.Error !== '').map((host) => `${host.Name} has not looked: ${host.Error}`),
    ...Paths.filter(({ State }) => State !== 'ok').map(
      (path) => `${path.From} to ${path.To}${wayOf(path)}: ${describe(path, Hosts)}`,
    ),
  ]
}

function wayOf({ Container, Address }: VerifiedPath): string {
  return Container === '' ? '' : ` (${[Container, Address].filter(Boolean).join(', ')})`
}

function describe(path: VerifiedPath, hosts: readonly VerifiedHost[]): string {
  const { From, State, PathMtu, Sent, Received } = path
  if (State === 'unknown') return path.Error
  if (State === 'unreachable') return `none of ${Sent} packets was answered`
  if (State === 'lossy') return `${Sent - Received} of ${Sent} packets were lost`
  const wanted = hosts.find(({ Name }) => Name === From)?.Mtu ?? 0
  if (PathMtu !== null && PathMtu > wanted) return `packets longer than the network's ${wanted} bytes arrive`
  return `packets longer than ${PathMtu} bytes do not arrive, although the network has ${wanted}`
}

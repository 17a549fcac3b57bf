import type { Topology } from '../../api/schema/topology.ts'
import { integer, text, toggle, value } from '../argv.ts'
import { defineCommand, printError } from '../command.ts'
import {
  type Exposure,
  formatClients,
  formatExposed,
  formatSeen,
  type ListedEndpoint,
  type ListedNetwork,
  listExposures,
  listOpenAddresses,
  listTrusted,
  markWaiting,
} from '../exposure.ts'
import { formatPorts, type PortSummary } from '../list-ports.ts'
import { formatTime } from '../list-time.ts'
import { type Columns, ellipsis, formatLabels, printList, shortId } from '../output.ts'
import { formatDuration, formatSize } from '../units.ts'
import { addFilter } from '../values/filter.ts'
import { splitReference } from '../values/reference.ts'

export interface Summary {
  readonly Id: string
  readonly Names: readonly string[] | null
  readonly Image: string
  readonly ImageID: string
  readonly Command: string
  readonly Created: number
  readonly State: string
  readonly Status: string
  readonly Ports: readonly PortSummary[] | null
  readonly Trusted?: readonly PortSummary[]
  readonly Labels: Readonly<Record<string, string>> | null
  readonly SizeRw?: number
  readonly SizeRootFs?: number
  readonly Mounts?:
    | readonly { readonly Name?: string; readonly Source: string; readonly Driver?: string }[]
    | null
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, ListedEndpoint>> | null }
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List containers',
  flags: {
    all: toggle('Show all containers (default shows just running)', { short: 'a' }),
    exposure: toggle('Show who can reach each published port'),
    filter: value('Filter output based on conditions provided', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    last: integer('Show n last created containers (includes all states)', { short: 'n', initial: -1 }),
    latest: toggle('Show the latest created container (includes all states)', { short: 'l' }),
    'no-trunc': toggle("Don't truncate output"),
    quiet: toggle('Only display container IDs', { short: 'q' }),
    size: toggle('Display total file sizes', { short: 's' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { all, filter, format, last, latest, quiet } = flags
    if (quiet && format !== '') {
      printError('WARNING: Ignoring custom format, because both --format and --quiet are set.')
    }
    const size = flags.size || (!quiet && /\.Size\b/.test(format))
    const limit = last > 0 ? last : latest ? 1 : undefined
    const items = await client.call<Summary[]>('GET', '/containers/json', {
      query: { all, limit, size, filters: filter, ranges: true },
    })
    if (flags.exposure) {
      const networks = await client.call<ListedNetwork[]>('GET', '/networks')
      const { Host } = await client.call<Topology>('GET', '/tsnet/v1/topology')
      const own = Host.Interfaces.flatMap(({ Addresses }) => Addresses)
      const exposures = [
        ...markWaiting(listExposures(items), own),
        ...listTrusted(items),
        ...listOpenAddresses(items, networks),
      ]
      printList(exposureListing, exposures, format, quiet)
      return 0
    }
    const columns = containerColumns(!flags['no-trunc'])
    const table = 'ID Image Command RunningFor Status Ports Names'.split(' ').concat(size ? ['Size'] : [])
    const listing = {
      columns,
      table: table.map((name) => `{{.${name}}}`).join('\t'),
      quiet: '{{.ID}}',
      labels,
    }
    printList(listing, items, quiet ? '' : format, quiet)
    return 0
  },
})

const exposureListing = {
  columns: {
    Names: ['NAMES', ({ container }) => container],
    Port: ['PORT', formatExposed],
    Clients: ['REACHED BY', formatClients],
    Address: ['SEEN ADDRESS', formatSeen],
  } satisfies Columns<Exposure>,
  table: '{{.Names}}\t{{.Port}}\t{{.Clients}}\t{{.Address}}',
  quiet: '{{.Port}}',
  labels: () => null,
}

function labels(item: Summary) {
  return item.Labels
}

export function containerColumns(isShort: boolean) {
  return {
    ID: ['CONTAINER ID', (item) => (isShort ? shortId(item.Id) : item.Id)],
    Names: ['NAMES', (item) => formatNames(item, isShort)],
    Image: ['IMAGE', (item) => formatImage(item, isShort)],
    Command: ['COMMAND', (item) => JSON.stringify(isShort ? ellipsis(item.Command, 20) : item.Command)],
    CreatedAt: ['CREATED AT', (item) => formatTime(item.Created)],
    RunningFor: ['CREATED', (item) => `${formatDuration(Date.now() / 1000 - item.Created)} ago`],
    Ports: ['PORTS', (item) => formatPorts(item.Ports)],
    State: ['STATE', (item) => item.State],
    Status: ['STATUS', (item) => item.Status],
    Size: ['SIZE', formatSizes],
    Labels: ['LABELS', (item) => formatLabels(item.Labels)],
    Mounts: ['MOUNTS', (item) => formatMounts(item, isShort)],
    LocalVolumes: ['LOCAL VOLUMES', (item) => String(localVolumes(item))],
    Networks: ['NETWORKS', (item) => Object.keys(item.NetworkSettings?.Networks ?? {}).join(',')],
  } satisfies Columns<Summary>
}

/** The short form leaves out the names that links give, which have a second slash. */
function formatNames(item: Summary, isShort: boolean): string {
  const names = (item.Names ?? []).map((name) => name.replace(/^\//, ''))
  return isShort ? (names.find((name) => !name.includes('/')) ?? '') : names.join(',')
}

function formatImage({ Image, ImageID }: Summary, isShort: boolean): string {
  if (Image === '') return '<no image>'
  if (!isShort) return Image
  if (shortId(ImageID) === shortId(Image)) return shortId(Image)
  const { name, tag } = splitReference(Image)
  return tag === '' ? name : `${name}:${tag}`
}

function formatSizes({ SizeRw = 0, SizeRootFs = 0 }: Summary): string {
  return SizeRootFs > 0 ? `${formatSize(SizeRw)} (virtual ${formatSize(SizeRootFs)})` : formatSize(SizeRw)
}

function formatMounts(item: Summary, isShort: boolean): string {
  const names = (item.Mounts ?? []).map(({ Name, Source }) => Name || Source)
  return names.map((name) => (isShort ? ellipsis(name, 15) : name)).join(',')
}

function localVolumes(item: Summary): number {
  return (item.Mounts ?? []).filter(({ Driver }) => Driver === 'local').length
}

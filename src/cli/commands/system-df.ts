import { text, toggle } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { type Columns, formatList, type Listing, printList } from '../output.ts'
import { compareNaturally } from '../sort.ts'
import { formatSize } from '../units.ts'
import { badValue } from '../values/bad-value.ts'
import { type Summary as Image, imageColumns, type Line, linesOf } from './images.ts'
import { type Summary as Container, containerColumns } from './ps.ts'

interface Volume {
  readonly Name: string
  /** bytes; -1 when it cannot be told */
  readonly UsageData: { readonly Size: number; readonly RefCount: number }
}

interface DiskUsage {
  readonly LayersSize: number
  readonly Images: readonly Image[]
  readonly Containers: readonly Container[]
  readonly Volumes: readonly Volume[]
}

/** What all things of a type take together. */
interface Total {
  readonly type: string
  readonly count: number
  readonly active: number
  /** bytes */
  readonly size: number
  readonly reclaimable: number
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show disk usage',
  flags: {
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    verbose: toggle('Show detailed information on space usage', { short: 'v' }),
  },
  arity: [0, 0],
  async run({ client, flags: { format, verbose } }) {
    if (verbose && format !== '') throw badValue('the verbose and the format options conflict')
    const usage = await client.call<DiskUsage>('GET', '/system/df')
    if (verbose) print(describe(usage))
    else printList(totals, sumUp(usage), format, false)
    return 0
  },
})

const totals: Listing<Total> = {
  columns: {
    Type: ['TYPE', ({ type }) => type],
    TotalCount: ['TOTAL', ({ count }) => String(count)],
    Active: ['ACTIVE', ({ active }) => String(active)],
    Size: ['SIZE', ({ size }) => formatSize(size, 4)],
    Reclaimable: ['RECLAIMABLE', formatReclaimable],
  },
  table: '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}',
  quiet: '{{.Type}}',
  labels: () => null,
}

function formatReclaimable({ size, reclaimable }: Total): string {
  const amount = formatSize(reclaimable, 4)
  return size > 0 ? `${amount} (${Math.trunc((reclaimable * 100) / size)}%)` : amount
}

function sumUp({ LayersSize, Images, Containers, Volumes }: DiskUsage): Total[] {
  const usedImages = Images.filter((image) => image.Containers > 0)
  const running = Containers.filter(({ State }) => State === 'running')
  const usedVolumes = Volumes.filter(({ UsageData }) => UsageData.RefCount > 0)
  const sizeRw = ({ SizeRw = 0 }: Container): number => SizeRw
  return [
    total(
      'Images',
      Images,
      usedImages,
      LayersSize,
      sum(usedImages, ({ Size }) => Size),
    ),
    total('Containers', Containers, running, sum(Containers, sizeRw), sum(running, sizeRw)),
    total('Local Volumes', Volumes, usedVolumes, sum(Volumes, sizeOf), sum(usedVolumes, sizeOf)),
    total('Build Cache', [], [], 0, 0),
  ]
}

function total(type: string, all: readonly unknown[], used: readonly unknown[], size: number, kept: number) {
  // images share layers: those in use may sum up to more than there is
  return { type, count: all.length, active: used.length, size, reclaimable: Math.max(0, size - kept) }
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((all, item) => all + size(item), 0)
}

/** What is not known counts as nothing. */
function sizeOf({ UsageData }: Volume): number {
  return Math.max(0, UsageData.Size)
}

const notAvailable = 'N/A'

function describe({ Images, Containers, Volumes }: DiskUsage): string {
  const volumes = Volumes.toSorted((one, other) => compareNaturally(one.Name, other.Name))
  const images = Images.flatMap((image) => linesOf(image, false))
  return [
    'Images space usage:\n',
    table(imageTable, images),
    '\nContainers space usage:\n',
    table(containerTable, Containers),
    '\nLocal Volumes space usage:\n',
    table(volumeTable, volumes),
    '\nBuild cache usage: 0B\n',
    table(cacheTable, []),
  ].join('\n')
}

function table<T>(columns: Columns<T>, items: readonly T[]): string {
  const names = Object.keys(columns).map((name) => `{{.${name}}}`)
  const listing = { columns, table: names.join('\t'), quiet: '', labels: () => null }
  return formatList(listing, items, '', false)
}

const { ID, Repository, Tag, CreatedSince, Size, Containers } = imageColumns(true)
const imageTable: Columns<Line> = {
  ...{ Repository, Tag, ID, CreatedSince, Size },
  SharedSize: ['SHARED SIZE', () => notAvailable],
  UniqueSize: ['UNIQUE SIZE', () => notAvailable],
  Containers,
}

const container = containerColumns(true)
const containerTable: Columns<Container> = {
  ID: container.ID,
  Image: container.Image,
  Command: container.Command,
  LocalVolumes: container.LocalVolumes,
  Size: container.Size,
  RunningFor: container.RunningFor,
  Status: container.Status,
  Names: container.Names,
}

const volumeTable: Columns<Volume> = {
  Name: ['VOLUME NAME', ({ Name }) => Name],
  Links: ['LINKS', ({ UsageData }) => String(UsageData.RefCount)],
  Size: ['SIZE', ({ UsageData: { Size } }) => (Size === -1 ? notAvailable : formatSize(Size, 4))],
}

const cacheTable: Columns<never> = {
  ID: ['CACHE ID', () => ''],
  CacheType: ['CACHE TYPE', () => ''],
  Size: ['SIZE', () => ''],
  Created: ['CREATED', () => ''],
  LastUsed: ['LAST USED', () => ''],
  Usage: ['USAGE', () => ''],
  Shared: ['SHARED', () => ''],
}

/** Containers in a list: which are shown, and how. */
import { TsnetError } from '../../errors.ts'
import type { PluginWait } from '../../plugins/plugins.ts'
import type { ContainerRecord, ContainerState } from '../../store/records.ts'
import { booleanFilter, type Filters, matchesAny, matchesLabels, matchesName } from '../filters.ts'
import type { ContainerSummary } from '../schema/container.ts'
import { toEndpointState } from './endpoints.ts'
import { toMountSummaries } from './mounts.ts'
import { parseContainerPorts, toPortRanges, toPortSummaries } from './ports.ts'
import { epochSeconds, humanDuration } from './time.ts'

export const containerFilters: readonly string[] = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
]

const statuses: readonly string[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]

export interface ListRequest {
  /** Those which do not run, too. */
  readonly all: boolean
  /** The newest so many, running or not; 0 for no limit. */
  readonly limit: number
  readonly filters: Filters
}

/** What a list needs to know beside the records. */
export interface ListLookups {
  /** A container by id, prefix or name. */
  readonly container: (ref: string) => ContainerRecord
  /** The image that a reference means now; undefined when none does. */
  readonly imageId: (ref: string) => string | undefined
}

/** The wanted ones, newest first. Throws kind 'invalid' for values that a filter cannot have. */
export function selectContainers(
  records: readonly ContainerRecord[],
  { all, limit, filters }: ListRequest,
  lookups: ListLookups,
): ContainerRecord[] {
  checkFilters(filters)
  const showsAll = all || limit > 0 || filters.has('status') || filters.has('exited')
  const matches = containerMatcher(filters, lookups)
  const found = records
    .filter((record) => (showsAll || record.state.status === 'running') && matches(record))
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0))
  return limit > 0 ? found.slice(0, limit) : found
}

function checkFilters(filters: Filters): void {
  for (const status of filters.get('status') ?? []) {
    if (!statuses.includes(status)) {
      throw badFilter(`invalid filter 'status=${status}': must be one of ${statuses.join(', ')}`)
    }
  }
  for (const code of filters.get('exited') ?? []) {
    if (!/^-?\d+$/.test(code))
      throw badFilter(`invalid filter 'exited=${code}': an exit code is a whole number`)
  }
}

function badFilter(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-filter', message)
}

type Matcher = (record: ContainerRecord) => boolean

/** One test for all filters; what they refer to is looked up once, not for each container. */
function containerMatcher(filters: Filters, lookups: ListLookups): Matcher {
  const ancestors = filters.get('ancestor')?.map(lookups.imageId)
  const before = createdAtOf(filters.get('before'), lookups)
  const since = createdAtOf(filters.get('since'), lookups)
  const isTask = booleanFilter(filters, 'is-task')
  const tests: readonly Matcher[] = [
    (record) => matchesAny(filters, 'id', (id) => id !== '' && record.id.startsWith(id)),
    (record) => matchesName(filters, 'name', record.name) || matchesName(filters, 'name', `/${record.name}`),
    (record) => matchesLabels(filters, record.labels),
    (record) => matchesAny(filters, 'status', (status) => record.state.status === status),
    ({ state }) =>
      matchesAny(filters, 'exited', (code) => hasExited(state) && state.exitCode === Number(code)),
    () => matchesAny(filters, 'health', (health) => health === 'none'),
    () => matchesAny(filters, 'isolation', (isolation) => isolation === 'default'),
    (record) => matchesAny(filters, 'volume', (volume) => hasVolume(record, volume)),
    (record) => matchesAny(filters, 'network', (network) => isOnNetwork(record, network)),
    (record) => ancestors === undefined || ancestors.includes(record.image),
    (record) => before === undefined || record.createdAt < before,
    (record) => since === undefined || record.createdAt > since,
    () => isTask !== true,
    portMatcher(filters),
  ]
  return (record) => tests.every((test) => test(record))
}

function createdAtOf(refs: readonly string[] | undefined, lookups: ListLookups): string | undefined {
  const ref = refs?.at(-1)
  return ref === undefined ? undefined : lookups.container(ref).createdAt
}

function hasExited(state: ContainerState): boolean {
  return state.status !== 'running' && state.startedAt !== ''
}

function hasVolume({ mounts }: ContainerRecord, volume: string): boolean {
  return mounts.some(({ name, source, target }) => target === volume || (name || source) === volume)
}

function isOnNetwork({ endpoints }: ContainerRecord, ref: string): boolean {
  return endpoints.some(
    ({ networkName, network }) => networkName === ref || (ref !== '' && network.startsWith(ref)),
  )
}

/** `publish` and `expose` are alternatives, each with ports or ranges: `80`, `8000-8010/udp`. */
function portMatcher(filters: Filters): Matcher {
  const published = filters.get('publish')?.map(parseContainerPorts) ?? []
  const exposed = filters.get('expose')?.map(parseContainerPorts) ?? []
  if (published.length + exposed.length === 0) return () => true
  return (record) =>
    rangesOf(record).some(({ PublicPort, PrivatePort, Type, Count }) => {
      const meets = (from: number | undefined, ranges: typeof published): boolean =>
        ranges.some(
          ({ first, last, protocol }) =>
            from !== undefined && Type === protocol && first < from + Count && from <= last,
        )
      return meets(PublicPort, published) || meets(PrivatePort, exposed)
    })
}

function rangesOf({ state, published, exposedPorts }: ContainerRecord) {
  return state.status === 'running' ? toPortRanges(published, exposedPorts) : []
}

function portsOf({ state, published, exposedPorts }: ContainerRecord) {
  return state.status === 'running' ? toPortSummaries(published, exposedPorts) : []
}

/** `image` is what the container's image is called now: its reference, or its id when that means another image by now. */
export function toContainerSummary(
  record: ContainerRecord,
  image: string,
  now: number,
  ranges = false,
  waiting: PluginWait | null = null,
): ContainerSummary {
  const isRunning = record.state.status === 'running'
  const networks = record.endpoints.map((endpoint) => [
    endpoint.networkName,
    toEndpointState(endpoint, isRunning),
  ])
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: image,
    ImageID: record.image,
    Command: record.argv
      .map((word, index) => (index > 0 && word.includes(' ') ? `'${word}'` : word))
      .join(' '),
    Created: epochSeconds(record.createdAt),
    Ports: ranges ? rangesOf(record) : portsOf(record),
    Labels: record.labels,
    State: record.state.status,
    Status: statusText(record.state, now) + waitText(waiting, now),
    HostConfig: { NetworkMode: record.spec.networkMode },
    NetworkSettings: { Networks: Object.fromEntries(networks) },
    Mounts: toMountSummaries(record.mounts),
  }
}

/** `, waiting for plugin rclone for 3 seconds`; nothing for whoever does not wait. */
function waitText(waiting: PluginWait | null, now: number): string {
  if (waiting === null) return ''
  return `, waiting for plugin ${waiting.plugin} for ${humanDuration(now - Date.parse(waiting.since))}`
}

/** `Up 5 minutes`, `Exited (0) 3 seconds ago`, `Created`; `now` in milliseconds since the epoch. */
export function statusText(state: ContainerState, now: number): string {
  const ago = (time: string): string => humanDuration(now - Date.parse(time))
  switch (state.status) {
    case 'running':
      return `Up ${ago(state.startedAt)}`
    case 'removing':
      return 'Removal In Progress'
    case 'dead':
      return 'Dead'
    default:
      if (state.finishedAt === '') return 'Created'
      return `Exited (${state.exitCode}) ${ago(state.finishedAt)} ago`
  }
}

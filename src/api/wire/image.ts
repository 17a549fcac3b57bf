/** Images on the wire. */
import type { ImageRecord } from '../../store/records.ts'
import { booleanFilter, type Filters, matchesAny, matchesLabels } from '../filters.ts'
import type { ImageHistoryItem, ImageInspect, ImageSummary } from '../schema/image.ts'
import { epochSeconds } from './time.ts'

export const imageFilters: readonly string[] = ['before', 'dangling', 'label', 'reference', 'since', 'until']

/** Clients before 1.44 read the size of an image from a field of another name. */
function sizes(image: ImageRecord, apiVersion: number) {
  return { Size: image.size, ...(apiVersion < 44 && { VirtualSize: image.size }) }
}

/** `containers` is the number of those made from it; -1 when nobody asked. */
export function toImageSummary(image: ImageRecord, apiVersion: number, containers = -1): ImageSummary {
  const { labels } = image.config
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Created: epochSeconds(image.createdAt) || 0,
    ...sizes(image, apiVersion),
    SharedSize: -1,
    Labels: Object.keys(labels).length > 0 ? labels : null,
    Containers: containers,
  }
}

/** The wanted ones, newest first. `find` looks up what `before` and `since` name. */
export function selectImages(
  images: readonly ImageRecord[],
  filters: Filters,
  find: (ref: string) => ImageRecord,
): ImageRecord[] {
  const dangling = booleanFilter(filters, 'dangling')
  const createdAt = (name: string): number | undefined => {
    const ref = filters.get(name)?.at(-1)
    return ref === undefined ? undefined : Date.parse(find(ref).createdAt)
  }
  const [before, since] = [createdAt('before'), createdAt('since')]
  const until = untilTime(filters)
  return images
    .map((image) => withMatchingNames(image, filters))
    .filter((image) => {
      const created = Date.parse(image.createdAt)
      return (
        matchesLabels(filters, image.config.labels) &&
        (!filters.has('reference') || image.tags.length + image.digests.length > 0) &&
        (dangling === undefined || dangling === (image.tags.length === 0)) &&
        (before === undefined || created < before) &&
        (since === undefined || created > since) &&
        (until === undefined || created < until)
      )
    })
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
}

function untilTime(filters: Filters): number | undefined {
  const text = filters.get('until')?.at(-1)
  if (text === undefined) return undefined
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text)
}

/** Of an image's names only those that were asked for. */
function withMatchingNames(image: ImageRecord, filters: Filters): ImageRecord {
  if (!filters.has('reference')) return image
  const isWanted = (ref: string): boolean =>
    matchesAny(filters, 'reference', (pattern) => matchesReference(pattern, ref))
  return { ...image, tags: image.tags.filter(isWanted), digests: image.digests.filter(isWanted) }
}

/** A shell pattern that fits `name:tag` or `name@digest`, or the name alone; `*` stops at a slash. */
function matchesReference(pattern: string, ref: string): boolean {
  const name = ref.replace(/(@.*|:[^:/]*)$/, '')
  const expression = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  try {
    const whole = new RegExp(`^${expression}$`)
    return whole.test(ref) || whole.test(name)
  } catch {
    return false
  }
}

/** The parts of an image's config document that are only passed on. */
interface ConfigDocument {
  readonly config?: unknown
  readonly variant?: string
  readonly docker_version?: string
  readonly history?: readonly HistoryEntry[]
}

interface HistoryEntry {
  readonly created?: string
  readonly created_by?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

export function toImageInspect(
  image: ImageRecord,
  document: unknown,
  context: { apiVersion: number; dataRoot: string },
): ImageInspect {
  const { config, variant, docker_version: dockerVersion = '' } = document as ConfigDocument
  const [top = '', ...lower] = image.layers.toReversed().map((layer) => `${context.dataRoot}/layers/${layer}`)
  return {
    Id: image.id,
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: '',
    Comment: image.comment,
    Created: image.createdAt,
    DockerVersion: dockerVersion,
    Author: image.author,
    Config: config ?? null,
    Architecture: image.architecture,
    ...(variant !== undefined && { Variant: variant }),
    Os: image.os,
    ...sizes(image, context.apiVersion),
    GraphDriver: {
      Name: 'overlay2',
      Data: { ...(lower.length > 0 && { LowerDir: lower.join(':') }), UpperDir: top },
    },
    RootFS: { Type: 'layers', Layers: image.diffIds },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  }
}

/** Newest first. Sizes of single layers are not recorded: they are known for empty ones, and when there is only one. */
export function toImageHistory(image: ImageRecord, document: unknown): ImageHistoryItem[] {
  const { history = [] } = document as ConfigDocument
  const layerSize = image.layers.length === 1 ? image.size : -1
  return history.toReversed().map((entry, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    Created: entry.created === undefined ? 0 : epochSeconds(entry.created),
    CreatedBy: entry.created_by ?? '',
    Tags: index === 0 && image.tags.length > 0 ? image.tags : null,
    Size: entry.empty_layer === true ? 0 : layerSize,
    Comment: entry.comment ?? '',
  }))
}

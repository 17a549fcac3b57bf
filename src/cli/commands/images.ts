import { text, toggle, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { formatTime } from '../list-time.ts'
import { type Columns, printList, shortId } from '../output.ts'
import { formatDuration, formatSize } from '../units.ts'
import { addFilter } from '../values/filter.ts'
import { splitReference } from '../values/reference.ts'

export interface Summary {
  readonly Id: string
  readonly RepoTags: readonly string[] | null
  readonly RepoDigests: readonly string[] | null
  readonly Created: number
  readonly Size: number
  readonly Containers: number
  readonly Labels: Readonly<Record<string, string>> | null
}

/** One name of an image; an image has a line for each. */
export interface Line {
  readonly image: Summary
  readonly repository: string
  readonly tag: string
  readonly digest: string
}

export const command = defineCommand({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  flags: {
    all: toggle('Show all images (default hides intermediate images)', { short: 'a' }),
    digests: toggle('Show digests'),
    filter: value('Filter output based on conditions provided', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    'no-trunc': toggle("Don't truncate output"),
    quiet: toggle('Only show image IDs', { short: 'q' }),
  },
  arity: [0, 1],
  async run({ client, flags, args: [reference] }) {
    const filters = reference === undefined ? flags.filter : addFilter(`reference=${reference}`, flags.filter)
    const images = await client.call<Summary[]>('GET', '/images/json', { query: { all: flags.all, filters } })
    const showsDigests = flags.digests || flags.format.includes('.Digest')
    const lines = images.flatMap((image) => linesOf(image, showsDigests))
    const table = `Repository Tag ${flags.digests ? 'Digest ' : ''}ID CreatedSince Size`
    const listing = {
      columns: imageColumns(!flags['no-trunc']),
      table: table.replace(/\w+/g, '{{.$&}}').replaceAll(' ', '\t'),
      quiet: '{{.ID}}',
      labels: ({ image }: Line) => image.Labels,
    }
    printList(listing, lines, flags.quiet ? '' : flags.format, flags.quiet)
    return 0
  },
})

export function imageColumns(isShort: boolean) {
  return {
    ID: ['IMAGE ID', ({ image }) => (isShort ? shortId(image.Id) : image.Id)],
    Repository: ['REPOSITORY', ({ repository }) => repository],
    Tag: ['TAG', ({ tag }) => tag],
    Digest: ['DIGEST', ({ digest }) => digest],
    CreatedSince: ['CREATED', ({ image }) => `${formatDuration(Date.now() / 1000 - image.Created)} ago`],
    CreatedAt: ['CREATED AT', ({ image }) => formatTime(image.Created)],
    Size: ['SIZE', ({ image }) => formatSize(image.Size)],
    Containers: ['CONTAINERS', ({ image }) => (image.Containers === -1 ? 'N/A' : String(image.Containers))],
  } satisfies Columns<Line>
}

const none = '<none>'

/** A line per tag; for an image without tags one per digest, or one of nothing but `<none>`. */
export function linesOf(image: Summary, showsDigests: boolean): Line[] {
  const isNamed = (name: string) => !name.startsWith(none)
  const tags = (image.RepoTags ?? []).filter(isNamed).map(splitReference)
  const digests = (image.RepoDigests ?? []).filter(isNamed).map(splitReference)
  const tagged = tags.flatMap(({ name, tag }) => {
    const own = showsDigests ? digests.filter((one) => one.name === name).map(({ digest }) => digest) : []
    return (own.length > 0 ? own : [none]).map((digest) => ({ image, repository: name, tag, digest }))
  })
  const untagged = digests.filter(({ name }) => !tags.some((one) => one.name === name))
  const lines = untagged.map(({ name, digest }) => ({ image, repository: name, tag: none, digest }))
  const all = [...tagged, ...lines]
  return all.length > 0 ? all : [{ image, repository: none, tag: none, digest: none }]
}

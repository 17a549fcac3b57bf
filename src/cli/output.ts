/** Lists as Docker prints them: a table, or whatever `--format` asks for. */
import { print } from './command.ts'
import { evaluateTemplate } from './template/evaluate.ts'
import { headerFunctions } from './template/functions.ts'
import { parseTemplate } from './template/parse.ts'

/** A column's head, and what a row has in it. */
export type Columns<T> = Readonly<Record<string, readonly [header: string, cell: (item: T) => string]>>

/** A kind of list: what can be shown of its items, and what is unless the user says otherwise. */
export interface Listing<T> {
  readonly columns: Columns<T>
  /** the columns of the default table */
  readonly table: string
  /** what `--quiet` prints of each */
  readonly quiet: string
  /** for `.Label "name"` */
  readonly labels: (item: T) => Readonly<Record<string, string>> | null | undefined
}

/** The lines, without the last line's end; '' when there is nothing to print. */
export function formatList<T>(
  listing: Listing<T>,
  items: readonly T[],
  format: string,
  quiet: boolean,
): string {
  const isTable = format === '' || format === 'table' || format.startsWith('table ')
  if (quiet && isTable) return renderRows(listing, items, listing.quiet).join('\n')
  if (format === 'json') return renderRows(listing, items, '{{json .}}').join('\n')
  if (!isTable) return renderRows(listing, items, expandEscapes(format)).join('\n')
  const template = expandEscapes(format.slice('table'.length)).trim() || listing.table
  return alignColumns([renderHeader(listing, template), ...renderRows(listing, items, template)]).join('\n')
}

/** Prints the list; an empty one without a head prints nothing, not even a line's end. */
export function printList<T>(listing: Listing<T>, items: readonly T[], format: string, quiet: boolean): void {
  const lines = formatList(listing, items, format, quiet)
  if (lines !== '') print(lines)
}

function expandEscapes(format: string): string {
  return format.replaceAll('\\t', '\t').replaceAll('\\n', '\n')
}

function renderRows<T>(listing: Listing<T>, items: readonly T[], template: string): string[] {
  const nodes = parseTemplate(template)
  const names = Object.keys(listing.columns).sort()
  return items.map((item) => {
    const row = { Label: (name: string) => listing.labels(item)?.[name] ?? '' }
    for (const name of names) {
      Object.defineProperty(row, name, { enumerable: true, get: () => listing.columns[name]![1](item) })
    }
    return evaluateTemplate(nodes, row)
  })
}

function renderHeader<T>(listing: Listing<T>, template: string): string {
  const heads = Object.entries(listing.columns).map(([name, [header]]) => [name, header])
  const Label = (name: string) => name.split('.').at(-1)!.replaceAll(/[-_]/g, ' ')
  return evaluateTemplate(parseTemplate(template), { ...Object.fromEntries(heads), Label }, headerFunctions)
}

/** Pads the cells between tabs to the widest of their column plus three, at least ten. */
export function alignColumns(lines: readonly string[], least = 10, padding = 3): string[] {
  const rows = lines.flatMap((line) => line.split('\n')).map((line) => line.split('\t'))
  const widths: number[] = []
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? least, displayWidth(cell) + padding)
    })
  }
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : padTo(cell, widths[column]!))).join(''),
  )
}

function padTo(cell: string, width: number): string {
  return cell + ' '.repeat(width - displayWidth(cell))
}

function displayWidth(text: string): number {
  return [...text].length
}

/** The first `width` characters, the last of them an ellipsis when there are more. */
export function ellipsis(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, width - 1).join('')}…`
}

/** Twelve digits of an id, without `sha256:`. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12)
}

/** `a=1,b=2`, sorted. */
export function formatLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',')
}

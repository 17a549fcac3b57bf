import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** Filters as the API takes them: every value that was asked for, by name. */
export type Filters = Readonly<Record<string, readonly string[]>>

/** Adds `name=value` to the filters. */
export function addFilter(text: string, before: Filters): Filters {
  if (text === '') return before
  const [named, content] = cut(text, '=')
  if (content === undefined) throw badValue('bad format of filter (expected name=value)')
  const name = named.trim().toLowerCase()
  return { ...before, [name]: [...(before[name] ?? []), content.trim()] }
}

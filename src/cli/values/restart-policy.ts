import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** Reads `name[:retries]`; whether the daemon knows the name is its own affair. */
export function parseRestartPolicy(text: string): { Name: string; MaximumRetryCount: number } {
  const [name, count] = cut(text, ':')
  if (count !== undefined && name === '') {
    throw badValue('invalid restart policy format: no policy provided before colon')
  }
  if (count && !/^[+-]?\d+$/.test(count)) {
    throw badValue('invalid restart policy format: maximum retry count must be an integer')
  }
  return { Name: name, MaximumRetryCount: Number(count || 0) }
}

import { badValue } from './bad-value.ts'

/** `CONTAINER` or `CONTAINER:ALIAS`, as the API wants it. */
export function parseLink(text: string): string {
  const [target = '', alias = target, ...more] = text.split(':')
  if (target === '' && alias === '') throw badValue('empty string specified for links')
  if (more.length > 0) throw badValue(`bad format for links: ${text}`)
  return `${target}:${alias}`
}

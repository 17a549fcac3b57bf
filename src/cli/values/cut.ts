/** The text before and after the first `separator`; the second is undefined when there is none. */
export function cut(whole: string, separator: string): [string, string | undefined] {
  const at = whole.indexOf(separator)
  return at < 0 ? [whole, undefined] : [whole.slice(0, at), whole.slice(at + separator.length)]
}

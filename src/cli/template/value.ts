/** A value as Go's fmt prints it with %v: `[a b]`, `map[k:v]`, `<no value>`. */
export function formatValue(value: unknown): string {
  if (value === undefined || value === null) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(formatValue).join(' ')}]`
  if (typeof value !== 'object') return String(value)
  const pairs = Object.entries(value).filter(([, inside]) => typeof inside !== 'function')
  return `map[${pairs
    .sort(byKey)
    .map(([key, inside]) => `${key}:${formatValue(inside)}`)
    .join(' ')}]`
}

/** Go prints and ranges over maps in the order of their keys. */
export function byKey([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}

/**
 * tsnet's chains of one family as they should stand, each with its lines in their order: what iptables-restore(8) is told to do
 * to the kernel is done to lists as well. Without the history of additions nobody could say which order is right.
 */

/** Lines without `-A` and the chain's name, by `<table> <chain>`. */
export type Chains = ReadonlyMap<string, readonly string[]>

/**
 * `chains` after the input `text` of `iptables-restore --noflush`, or, from none, what iptables-save(8) printed as `text`. Of
 * chains that are not `isOwn` nothing is noted. Pure.
 */
export function replay(chains: Chains, text: string, isOwn: (chain: string) => boolean): Chains {
  const result = new Map(chains)
  const copies = new Map<string, string[]>()
  const copyOf = (key: string): string[] => {
    const copy = copies.get(key) ?? [...(result.get(key) ?? [])]
    copies.set(key, copy)
    return copy
  }
  let table = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    const [, verb = '', chain = '', spec = ''] = /^(:|-\w )(\S+) ?(.*)$/.exec(line) ?? []
    if (!isOwn(chain)) continue
    const key = `${table} ${chain}`
    const lines = copyOf(key)
    if (verb === '-X ') result.delete(key)
    else result.set(key, lines)
    change(lines, verb.trim(), spec)
  }
  return result
}

function change(lines: string[], verb: string, spec: string): void {
  if (verb === '-A') lines.push(spec)
  else if (verb === '-I') lines.unshift(spec)
  else if (verb === '-D') lines.splice(lines.indexOf(spec), 1)
  else lines.length = 0
}

/** Whether they have the same lines in the same order. */
export function areSame(some: Chains, others: Chains): boolean {
  return (
    some.size === others.size &&
    [...some].every(([key, lines]) => lines.join('\n') === others.get(key)?.join('\n'))
  )
}

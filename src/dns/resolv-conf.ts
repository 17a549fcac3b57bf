/** The files of resolv.conf(5): the host's read, the container's written. Pure. */
import { isIP } from 'node:net'

/** As many servers as resolv.conf(5) allows. */
export const maxServers = 3

export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly search: readonly string[]
  readonly options: readonly string[]
  /** Lines that are none of these, e.g. `sortlist`. */
  readonly other: readonly string[]
}

/** What goes into a container's file. Empty lists take the host's; a search list of `.` means none. */
export interface ContainerResolvConf {
  /** The text of the host's file. */
  readonly host: string
  /** Whether 127.0.0.11 serves this container; otherwise it shares the host's view. */
  readonly embedded: boolean
  /** Where 127.0.0.11 serves, those that it asks itself, none for an internal network. */
  readonly servers: readonly string[]
  readonly search: readonly string[]
  readonly options: readonly string[]
}

/** As libc reads it: the last `search` or `domain` line counts, options add up, bad servers are passed over. */
export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const values = (...keywords: string[]) => lines.filter(([keyword = '']) => keywords.includes(keyword))
  const known = ['nameserver', 'search', 'domain', 'options']
  return {
    nameservers: values('nameserver').flatMap(([, address = '']) => (isIP(address) === 0 ? [] : [address])),
    search: values('search', 'domain').at(-1)?.slice(1) ?? [],
    options: values('options').flatMap((words) => words.slice(1)),
    other: lines
      .filter(([keyword = '']) => keyword !== '' && !/^[#;]/.test(keyword) && !known.includes(keyword))
      .map((words) => words.join(' ')),
  }
}

/** The name servers that the host's file names, in order. */
export function hostUpstreams(text: string): readonly string[] {
  return parseResolvConf(text).nameservers
}

/** The host's file as it is where nothing of it changes, else one written anew. */
export function containerResolvConf(wanted: ContainerResolvConf): string {
  const isUnchanged = [wanted.servers, wanted.search, wanted.options].every((list) => list.length === 0)
  if (!wanted.embedded && isUnchanged) return wanted.host
  const host = parseResolvConf(wanted.host)
  const search = orElse(wanted.search, host.search).filter((domain) => domain !== '.')
  const options = orElse(wanted.options, host.options)
  return [
    ...(wanted.embedded
      ? embeddedLines(wanted.servers)
      : orElse(wanted.servers, host.nameservers).map((server) => `nameserver ${server}`)),
    ...line('search', search),
    ...line('options', wanted.embedded ? withNdots(options) : options),
    ...host.other,
    '',
  ].join('\n')
}

function embeddedLines(servers: readonly string[]): string[] {
  const asked = servers.slice(0, maxServers)
  const target = asked.length === 0 ? 'nobody, as its networks are internal' : asked.join(', ')
  return [
    `# Written by tsnet. 127.0.0.11 knows the containers; other names it forwards to ${target}.`,
    'nameserver 127.0.0.11',
  ]
}

function orElse(list: readonly string[], fallback: readonly string[]): readonly string[] {
  return list.length > 0 ? list : fallback
}

function line(keyword: string, values: readonly string[]): string[] {
  return values.length > 0 ? [`${keyword} ${values.join(' ')}`] : []
}

/**
 * `ndots:0` makes libc ask for `web` as it is before it tries the search list, as in Docker. An `ndots` of the user or
 * the host stays.
 */
function withNdots(options: readonly string[]): readonly string[] {
  const valid = options.filter((option) => !option.startsWith('ndots') || /^ndots:\d+$/.test(option))
  return valid.some((option) => option.startsWith('ndots:')) ? valid : [...valid, 'ndots:0']
}

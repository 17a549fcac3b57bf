/** Dockerfile instructions that change an image's config, as `import --change` takes them. Pure. */
import { TsnetError } from '../errors.ts'

/** The `config` part of an image's config document, in its own spelling. */
export interface RuntimeFields {
  Env?: string[]
  Cmd?: string[]
  Entrypoint?: string[]
  ExposedPorts?: Record<string, object>
  Labels?: Record<string, string>
  User?: string
  Volumes?: Record<string, object>
  WorkingDir?: string
  StopSignal?: string
}

/** Applies instructions in order. Throws kind 'invalid' naming the one that is wrong. */
export function applyChanges(changes: readonly string[]): RuntimeFields {
  const fields: RuntimeFields = {}
  for (const change of changes) {
    const match = /^\s*([A-Za-z]+)(?:\s+([\s\S]*?))?\s*$/.exec(change)
    const word = match?.[1]?.toUpperCase() ?? ''
    const apply = instructions[word]
    if (apply === undefined) throw refuse(`${word || change} is not a valid change command`)
    const text = match?.[2] ?? ''
    if (text === '') throw refuse(`${word} requires at least one argument`)
    apply(fields, text)
  }
  return fields
}

function refuse(message: string): TsnetError {
  return new TsnetError('invalid', 'invalid-change', message)
}

const instructions: Readonly<Record<string, (fields: RuntimeFields, text: string) => void>> = {
  CMD: (fields, text) => {
    fields.Cmd = parseCommand(text)
  },
  ENTRYPOINT: (fields, text) => {
    fields.Entrypoint = parseCommand(text)
  },
  ENV: (fields, text) => {
    const env = new Map((fields.Env ?? []).map((entry) => splitPair(entry)))
    for (const [name, value] of parsePairs('ENV', text)) env.set(name, value)
    fields.Env = [...env].map(([name, value]) => `${name}=${value}`)
  },
  EXPOSE: (fields, text) => {
    fields.ExposedPorts = { ...fields.ExposedPorts, ...toSet(splitWords(text).flatMap(parseExposed)) }
  },
  LABEL: (fields, text) => {
    fields.Labels = { ...fields.Labels, ...Object.fromEntries(parsePairs('LABEL', text)) }
  },
  USER: (fields, text) => {
    fields.User = text
  },
  VOLUME: (fields, text) => {
    fields.Volumes = { ...fields.Volumes, ...toSet(parseArray(text) ?? splitWords(text)) }
  },
  WORKDIR: (fields, text) => {
    fields.WorkingDir = text.startsWith('/') ? text : `${fields.WorkingDir ?? ''}/${text}`
  },
  STOPSIGNAL: (fields, text) => {
    fields.StopSignal = text
  },
}

function toSet(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]))
}

/** `80`, `80/udp` or `8000-8010/tcp` */
function parseExposed(text: string): string[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2] ?? first)
  if (match === null || first < 1 || last > 65535 || last < first)
    throw refuse(`Invalid containerPort: ${text}`)
  const protocol = match[3]?.toLowerCase() ?? 'tcp'
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`)
}

/** The exec form is a JSON array; anything else is for the shell. */
function parseCommand(text: string): string[] {
  return parseArray(text) ?? ['/bin/sh', '-c', text]
}

function parseArray(text: string): string[] | null {
  if (!text.startsWith('[')) return null
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : null
  } catch {
    return null
  }
}

/** `name=value …` with quotes, or the old form `name value`. */
function parsePairs(word: string, text: string): [string, string][] {
  const words = splitWords(text)
  const [first = ''] = words
  if (!first.includes('=')) {
    const value = text.slice(text.indexOf(first) + first.length).trim()
    if (value === '') throw refuse(`${word} must have two arguments`)
    return [[first, value]]
  }
  return words.map((pair) => {
    if (!/^[^=]+=/.test(pair))
      throw refuse(`Syntax error - can't find = in "${pair}". Must be of the form: name=value`)
    return splitPair(pair)
  })
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=')
  return [pair.slice(0, equals), pair.slice(equals + 1)]
}

/** Words as a Dockerfile has them: single and double quotes group, a backslash takes the next character as it is. */
function splitWords(text: string): string[] {
  const pattern = /(?:[^\s'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*"|['"\\])+/g
  return (text.match(pattern) ?? []).map((word) =>
    word.replace(/'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])/g, (_, single, double, escaped) =>
      String(single ?? double?.replace(/\\(["\\$])/g, '$1') ?? escaped),
    ),
  )
}

/** Environment variables, labels, system controls: the flags of `key=value`, and the files of such lines. */
import { readFileSync } from 'node:fs'
import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** `KEY=value` as it is; `KEY` with the client's own value, or alone, which unsets it in the container. */
export function parseEnv(text: string, environment: Environment): string {
  const [key, content] = cut(text, '=')
  if (key === '') throw badValue(`invalid environment variable: ${text}`)
  const own = environment[key]
  return content === undefined && own !== undefined ? `${key}=${own}` : text
}

/** `key=value` or `key`, as it is; throws when the key is empty or has blanks. */
export function parseLabel(text: string): string {
  const key = cut(text, '=')[0].replace(/^[ \t]+/, '')
  if (key === '') throw badValue(`invalid label '${text}': empty name`)
  if (/[ \t]/.test(key)) throw badValue(`label '${text}' contains whitespaces`)
  return text
}

const ipcControls = new Set(
  'msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced'.split(' ').map((name) => `kernel.${name}`),
)

/** Throws unless the system control belongs to a namespace. */
export function checkSysctl(text: string): void {
  const [key, content] = cut(text, '=')
  const isNamespaced = ipcControls.has(key) || key.startsWith('net.') || key.startsWith('fs.mqueue.')
  if (content === undefined || !isNamespaced) throw badValue(`sysctl '${text}' is not allowed`)
}

/**
 * The lines of the files that are neither empty nor comments; a bare key takes its value from `environment` or is
 * left out; without an environment it stays alone.
 */
export function readKeyValueFiles(files: readonly string[], environment: Environment | null): string[] {
  return files.flatMap((file) => parseKeyValueLines(file, readFile(file), environment))
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw badValue(`open ${file}: ${isMissing ? 'no such file or directory' : (error as Error).message}`)
  }
}

/** The pairs of a file's content; `file` is for errors. */
export function parseKeyValueLines(file: string, content: string, environment: Environment | null): string[] {
  const lines = content
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s+/, ''))
  return lines.flatMap((line) => {
    if (line === '' || line.startsWith('#')) return []
    const [key, assigned] = cut(line, '=')
    if (key === '') throw badValue(`invalid env file (${file}): no variable name on line '${line}'`)
    if (/\s/.test(key)) throw badValue(`invalid env file (${file}): variable '${key}' contains whitespaces`)
    if (assigned !== undefined || environment === null) return [line]
    const own = environment[key]
    return own === undefined ? [] : [`${key}=${own}`]
  })
}

/** The pairs as one object; a key without a value has ''. */
export function toRecord(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key, content] = cut(pair, '=')
      return [key, content ?? '']
    }),
  )
}

/** A network as CNI describes it: a list of plugins in a `.conflist` file, or a single one in a `.conf` file. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { TsnetError } from '../errors.ts'
import { type CniVersion, speakable } from './version.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export interface PluginConfig extends JsonObject {
  /** The name of the plugin's program. */
  readonly type: string
}

export interface NetworkList {
  readonly name: string
  /** Those that the list allows and that are spoken here, newest first. */
  readonly versions: readonly CniVersion[]
  readonly disableCheck: boolean
  readonly disableGc: boolean
  readonly plugins: readonly PluginConfig[]
}

/** The specification's rule for names of networks and ids of containers. */
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
/** bytes; usual ones have a few thousand */
const largestList = 1 << 20
const extensions = /\.(conflist|conf|json)$/

/**
 * The list in a file, given by its absolute path, or by the network's name in `directory`. Throws kind 'not-found' when there is none,
 * 'invalid' for what is no list of plugins.
 */
export function loadNetworkList(directory: string, reference: string): NetworkList {
  if (isAbsolute(reference)) return readList(reference)
  const found = findNetworkList(directory, reference)
  if (found !== undefined) return found
  throw new TsnetError(
    'not-found',
    'no-conflist',
    `network list ${reference} is not in ${directory}: give the name of one there, or a file's absolute path`,
  )
}

/** As runtimes do, of several files with one network the first in alphabetical order counts. Files that hold none are passed over. */
export function findNetworkList(directory: string, name: string): NetworkList | undefined {
  for (const file of listFiles(directory)) {
    const path = join(directory, file)
    const named = nameIn(path)
    if (named === name) return readList(path)
  }
  return undefined
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((file) => extensions.test(file))
      .sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

function nameIn(path: string): unknown {
  try {
    return (JSON.parse(readText(path)) as { name?: unknown } | null)?.name
  } catch {
    return undefined
  }
}

function readList(path: string): NetworkList {
  const list = parseNetworkList(path, readText(path))
  const folder = join(dirname(path), list.name)
  const further = list.isWhole ? [] : listFiles(folder).map((file) => join(folder, file))
  const plugins = [...list.plugins, ...further.flatMap((file) => parsePlugins(file, readText(file)))]
  if (plugins.length === 0) throw bad(path, 'it has no plugins')
  return { ...list, plugins }
}

/** What is no file, such as a pipe that nobody writes to, could keep the daemon for ever. Throws kind 'not-found' or 'invalid'. */
function readText(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) {
    throw new TsnetError('not-found', 'no-conflist', `network list ${path}: there is no such file`)
  }
  if (!status.isFile()) throw bad(path, 'it is no file')
  if (status.size > largestList) throw bad(path, `it has more than ${largestList} bytes`)
  return readFileSync(path, 'utf8')
}

/** What is in a list's file. Of one that is not whole, further plugins lie in a folder of the network's name beside it. Pure. */
export function parseNetworkList(path: string, text: string): NetworkList & { readonly isWhole: boolean } {
  const json = parseObject(path, text)
  const { name, cniVersion = '0.1.0', cniVersions = [] } = json
  if (typeof name !== 'string' || !namePattern.test(name)) {
    throw bad(path, `its name ${JSON.stringify(name)} is none: letters, digits, _, . and - are allowed`)
  }
  const isSingle = json['plugins'] === undefined
  const listed = isSingle ? [json] : json['plugins']
  if (!Array.isArray(listed)) throw bad(path, 'its plugins are no list')
  const versions = [cniVersion, ...(Array.isArray(cniVersions) ? cniVersions : [])].map(String)
  return {
    name,
    versions: speakable(`network list ${path}`, versions),
    disableCheck: flag(path, json, 'disableCheck'),
    disableGc: flag(path, json, 'disableGC'),
    isWhole: isSingle || flag(path, json, 'loadOnlyInlinedPlugins'),
    plugins: listed.map((plugin) => checkPlugin(path, plugin)),
  }
}

function parsePlugins(path: string, text: string): PluginConfig[] {
  return [checkPlugin(path, parseObject(path, text))]
}

function checkPlugin(path: string, plugin: unknown): PluginConfig {
  const type = isObject(plugin) ? plugin['type'] : undefined
  // It is looked up in the directories of plugins, and nowhere else.
  if (typeof type === 'string' && /^[^/\0]+$/.test(type) && type !== '.' && type !== '..')
    return plugin as PluginConfig
  throw bad(path, `a plugin's type is the name of its program, not ${JSON.stringify(type)}`)
}

/** Older programs write truth as text. */
function flag(path: string, json: JsonObject, name: string): boolean {
  const value = json[name] ?? false
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 'false') return value === 'true'
  throw bad(path, `its ${name} is neither true nor false`)
}

function parseObject(path: string, text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch (error) {
    throw bad(path, `it is no JSON: ${(error as Error).message}`)
  }
  throw bad(path, 'it is no JSON object')
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(path: string, what: string): TsnetError {
  return new TsnetError('invalid', 'bad-conflist', `network list ${path}: ${what}`)
}

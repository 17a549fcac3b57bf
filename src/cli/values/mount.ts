/** `--mount`. */
import { resolve } from 'node:path'
import { badValue } from './bad-value.ts'
import { parseCsvLine } from './csv.ts'
import { cut } from './cut.ts'
import { parseBytes } from './size.ts'

/** A mount in the API's words. */
export interface Mount {
  Type: string
  Source?: string
  Target?: string
  ReadOnly?: boolean
  Consistency?: string
  BindOptions?: {
    Propagation?: string
    NonRecursive?: boolean
    CreateMountpoint?: boolean
    ReadOnlyNonRecursive?: boolean
    ReadOnlyForceRecursive?: boolean
  } & Owners
  VolumeOptions?: {
    NoCopy?: boolean
    Subpath?: string
    Labels?: Record<string, string>
    DriverConfig?: { Name?: string; Options?: Record<string, string> }
  } & Owners
  ImageOptions?: { Subpath?: string }
  TmpfsOptions?: { SizeBytes?: number; Mode?: number }
}

/** tsnet's own: how owners on disk are seen, and who owns what the mount makes. */
interface Owners {
  IDMap?: string
  Own?: string
}

type Setter = (mount: Mount, text: string, key: string, directory: string) => void

const setSource: Setter = (mount, text, _key, directory) => {
  mount.Source = text.startsWith('.') ? resolve(directory, text) : text
}
const setTarget: Setter = (mount, text) => {
  mount.Target = text
}
const setReadOnly: Setter = (mount, text, key) => {
  mount.ReadOnly = parseSwitch(key, text)
}

const setters: Readonly<Record<string, Setter>> = {
  type: (mount, text) => {
    mount.Type = text.toLowerCase()
  },
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadOnly,
  ro: setReadOnly,
  consistency: (mount, text) => {
    mount.Consistency = text.toLowerCase()
  },
  'bind-propagation': (mount, text) => {
    bindOptions(mount).Propagation = text.toLowerCase()
  },
  'bind-nonrecursive': () => {
    throw badValue('bind-nonrecursive is deprecated, use bind-recursive=disabled instead')
  },
  'bind-recursive': setRecursive,
  'bind-create-src': (mount, text, key) => {
    bindOptions(mount).CreateMountpoint = parseSwitch(key, text)
  },
  'volume-subpath': (mount, text) => {
    volumeOptions(mount).Subpath = text
  },
  'volume-nocopy': (mount, text, key) => {
    volumeOptions(mount).NoCopy = parseSwitch(key, text)
  },
  'volume-label': (mount, text) => {
    const options = volumeOptions(mount)
    options.Labels = withPair(options.Labels, text)
  },
  'volume-driver': (mount, text) => {
    driverConfig(mount).Name = text
  },
  'volume-opt': (mount, text) => {
    const config = driverConfig(mount)
    config.Options = withPair(config.Options, text)
  },
  'image-subpath': (mount, text) => {
    mount.ImageOptions = { Subpath: text }
  },
  'tmpfs-size': (mount, text, key) => {
    mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: parseTmpfsSize(key, text) }
  },
  'tmpfs-mode': (mount, text, key) => {
    if (!/^[0-7]{1,10}$/.test(text)) throw badValue(`invalid value for ${key}: ${text}`)
    mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(text, 8) }
  },
}

/** Of binds and volumes alike. */
const ownerKeys: Readonly<Record<string, keyof Owners>> = { idmap: 'IDMap', own: 'Own' }

const switches = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src'])

/** Reads `type=bind,src=./data,dst=/data,readonly`. A relative source is taken from `directory`. */
export function parseMount(given: string, directory: string): Mount {
  const text = given.trim()
  if (text === '') throw badValue('value is empty')
  const mount: Mount = { Type: 'volume' }
  const owners: Owners = {}
  for (const field of parseCsvLine(text)) setField(mount, owners, field, directory)
  setOwners(mount, owners)
  checkOptions(mount)
  return mount
}

function setField(mount: Mount, owners: Owners, field: string, directory: string): void {
  const [named, content] = cut(field, '=')
  if (named.trim() !== named) {
    throw badValue(`invalid option '${named.trim()}' in '${field}': option should not have whitespace`)
  }
  if (content?.trim() === '') throw badValue(`invalid value for '${named}': value is empty`)
  if (content !== undefined && content.trim() !== content) {
    throw badValue(`invalid value for '${named}' in '${field}': value should not have whitespace`)
  }
  const key = named.toLowerCase()
  if (content === undefined && !switches.has(key)) {
    throw badValue(`invalid field '${field}' must be a key=value pair`)
  }
  const ownerKey = Object.hasOwn(ownerKeys, key) ? ownerKeys[key] : undefined
  if (ownerKey !== undefined) {
    owners[ownerKey] = content ?? ''
    return
  }
  const setter = Object.hasOwn(setters, key) ? setters[key] : undefined
  if (!setter) throw badValue(`unknown option '${key}' in '${field}'`)
  setter(mount, content ?? 'true', key, directory)
}

/** The type may be given after them. */
function setOwners(mount: Mount, owners: Owners): void {
  if (Object.keys(owners).length === 0) return
  if (mount.Type === 'bind') Object.assign(bindOptions(mount), owners)
  else if (mount.Type === 'volume') Object.assign(volumeOptions(mount), owners)
  else throw badValue(`cannot use 'idmap' and 'own' with mount type '${mount.Type}'`)
}

function setRecursive(mount: Mount, text: string, key: string): void {
  if (text === 'disabled') bindOptions(mount).NonRecursive = true
  else if (text === 'writable') bindOptions(mount).ReadOnlyNonRecursive = true
  else if (text === 'readonly') bindOptions(mount).ReadOnlyForceRecursive = true
  else if (text !== 'enabled') {
    throw badValue(
      `invalid value for ${key}: ${text} (must be "enabled", "disabled", "writable", or "readonly")`,
    )
  }
}

function checkOptions(mount: Mount): void {
  const kinds = {
    bind: mount.BindOptions,
    volume: mount.VolumeOptions,
    image: mount.ImageOptions,
    tmpfs: mount.TmpfsOptions,
  }
  for (const [kind, options] of Object.entries(kinds)) {
    if (options && mount.Type !== kind)
      throw badValue(`cannot mix '${kind}-*' options with mount type '${mount.Type}'`)
  }
  const bind = mount.BindOptions
  if (bind?.ReadOnlyNonRecursive && !mount.ReadOnly) {
    throw badValue("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction")
  }
  if (bind?.ReadOnlyForceRecursive && !mount.ReadOnly) {
    throw badValue("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction")
  }
  if (bind?.ReadOnlyForceRecursive && bind.Propagation !== 'rprivate') {
    throw badValue(
      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
    )
  }
}

function parseSwitch(key: string, text: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  const reason = `invalid boolean value (${JSON.stringify(text)}): must be one of "true", "1", "false", or "0" (default "true")`
  throw badValue(`invalid value for '${key}': ${reason}`)
}

function parseTmpfsSize(key: string, text: string): number {
  try {
    return parseBytes(text)
  } catch {
    throw badValue(`invalid value for ${key}: ${text}`)
  }
}

function bindOptions(mount: Mount): NonNullable<Mount['BindOptions']> {
  mount.BindOptions ??= {}
  return mount.BindOptions
}

function volumeOptions(mount: Mount): NonNullable<Mount['VolumeOptions']> {
  mount.VolumeOptions ??= {}
  return mount.VolumeOptions
}

function driverConfig(mount: Mount): { Name?: string; Options?: Record<string, string> } {
  const options = volumeOptions(mount)
  options.DriverConfig ??= {}
  return options.DriverConfig
}

function withPair(before: Record<string, string> | undefined, pair: string): Record<string, string> {
  const [key, content] = cut(pair, '=')
  return key === '' ? { ...before } : { ...before, [key]: content ?? '' }
}

/**
 * The verbs of CNI over a list of plugins. Each plugin of a list gets the result of the one before:
 *
 *     ADD     first ─ result ─▶ second ─ result ─▶ third ─ result ─▶ kept by the caller
 *     DEL     first ◀────────── second ◀────────── third ◀────────── what was kept
 */
import { errorMessage, TsnetError } from '../errors.ts'
import { timeDriver } from '../timings.ts'
import { brief, readFailure } from './failure.ts'
import { isObject, type JsonObject, type NetworkList, type PluginConfig } from './network-list.ts'
import { runProgram } from './program.ts'
import { type CniVersion, hasSince } from './version.ts'

export interface ChainOptions {
  readonly directories: readonly string[]
  /** Milliseconds that each plugin has. */
  readonly deadline: number
  readonly signal?: AbortSignal
}

/** An attachment as plugins are told of it. */
export interface Attachment {
  readonly containerId: string
  /** The path of the namespace, '' when it is gone. */
  readonly netns: string
  readonly interfaceName: string
  /** `K=V;K2=V2` */
  readonly args: string
  /** By the capability's name what a plugin that has it is told. */
  readonly capabilityArgs: JsonObject
}

/** A list as it was used for an attachment, in the version that was agreed on. */
export interface NetworkInUse {
  readonly list: NetworkList
  readonly version: CniVersion
}

type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'

/** Whether one of the list's plugins has the capability. */
export function hasCapability({ plugins }: NetworkList, name: string): boolean {
  return plugins.some((plugin) => capabilitiesOf(plugin)[name] === true)
}

function capabilitiesOf({ capabilities }: PluginConfig): JsonObject {
  return isObject(capabilities) ? capabilities : {}
}

/** The newest version of the list's that all of its plugins speak. Throws kind 'unsupported' when there is none. */
export async function agreeOnVersion(list: NetworkList, options: ChainOptions): Promise<CniVersion> {
  const spoken = await Promise.all(list.plugins.map(({ type }) => askVersions(type, options)))
  const agreed = list.versions.find((version) => spoken.every((versions) => versions.includes(version)))
  if (agreed !== undefined) return agreed
  const each = list.plugins.map(({ type }, index) => `${type} speaks ${spoken[index]?.join(', ')}`).join('; ')
  throw new TsnetError(
    'unsupported',
    'cni-version',
    `network list ${list.name}: its versions ${list.versions.join(', ')} are not spoken by all its plugins: ${each}`,
  )
}

async function askVersions(plugin: string, options: ChainOptions): Promise<string[]> {
  const answer = await call(plugin, 'VERSION', noAttachment, { cniVersion: '1.0.0' }, options)
  const versions = isObject(answer) ? answer['supportedVersions'] : undefined
  if (Array.isArray(versions)) return versions.map(String)
  throw wrongAnswer(plugin, 'it names no supportedVersions')
}

/** Returns the last plugin's result. Throws the first failure; what was done until then is the caller's to undo by `removeFrom`. */
export async function addTo(
  { list, version }: NetworkInUse,
  attachment: Attachment,
  options: ChainOptions,
): Promise<unknown> {
  let result: unknown
  for (const plugin of list.plugins) {
    const config = configOf(list, version, plugin, attachment, result)
    result = await call(plugin.type, 'ADD', attachment, config, options)
    if (!isObject(result)) throw wrongAnswer(plugin.type, 'it is no JSON object')
  }
  return result
}

/** All plugins are asked, whatever some of them say; throws their failures together. */
export async function removeFrom(
  { list, version }: NetworkInUse,
  attachment: Attachment,
  result: unknown,
  options: ChainOptions,
): Promise<void> {
  const failures: unknown[] = []
  for (const plugin of list.plugins.toReversed()) {
    const config = configOf(list, version, plugin, attachment, result)
    await call(plugin.type, 'DEL', attachment, config, options).catch((error) => failures.push(error))
  }
  throwAll(failures)
}

/** Throws what the first plugin has against it. Says nothing where the list is not to be checked, or is too old for it. */
export async function checkIn(
  { list, version }: NetworkInUse,
  attachment: Attachment,
  result: unknown,
  options: ChainOptions,
): Promise<void> {
  if (list.disableCheck || !hasSince(version, '0.4.0')) return
  for (const plugin of list.plugins) {
    const config = configOf(list, version, plugin, attachment, result)
    await call(plugin.type, 'CHECK', attachment, config, options)
  }
}

/** Tells all plugins what is attached: they are to free the rest. Does nothing where the list forbids that, or is too old for it. */
export async function collectGarbage(
  { list, version }: NetworkInUse,
  valid: readonly Pick<Attachment, 'containerId' | 'interfaceName'>[],
  options: ChainOptions,
): Promise<void> {
  if (list.disableGc || !hasSince(version, '1.1.0')) return
  const attachments = valid.map(({ containerId, interfaceName }) => ({
    containerID: containerId,
    ifname: interfaceName,
  }))
  const failures: unknown[] = []
  for (const plugin of list.plugins) {
    const config = {
      ...configOf(list, version, plugin, noAttachment, undefined),
      'cni.dev/valid-attachments': attachments,
      // what version 1.1.0 was published with
      'cni.dev/attachments': attachments,
    }
    await call(plugin.type, 'GC', noAttachment, config, options).catch((error) => failures.push(error))
  }
  throwAll(failures)
}

/** Throws what a plugin says that is not ready. Says nothing where the list is too old for the question. */
export async function askStatus({ list, version }: NetworkInUse, options: ChainOptions): Promise<void> {
  if (!hasSince(version, '1.1.0')) return
  for (const plugin of list.plugins) {
    const config = configOf(list, version, plugin, noAttachment, undefined)
    await call(plugin.type, 'STATUS', noAttachment, config, options)
  }
}

function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, failures.map(errorMessage).join('; '))
}

const noAttachment: Attachment = {
  containerId: '',
  netns: '',
  interfaceName: '',
  args: '',
  capabilityArgs: {},
}

/** What goes to a plugin's standard input. */
function configOf(
  list: NetworkList,
  version: CniVersion,
  plugin: PluginConfig,
  { capabilityArgs }: Attachment,
  result: unknown,
): JsonObject {
  const { capabilities: _, ...config } = plugin
  const own = capabilitiesOf(plugin)
  const told = Object.entries(capabilityArgs).filter(([name]) => own[name] === true)
  return {
    ...config,
    cniVersion: version,
    name: list.name,
    ...(told.length > 0 && { runtimeConfig: Object.fromEntries(told) }),
    ...(result !== undefined && result !== null && { prevResult: result }),
  }
}

function call(
  plugin: string,
  verb: Verb,
  attachment: Attachment,
  config: JsonObject,
  options: ChainOptions,
): Promise<unknown> {
  const driver = { driver: plugin, kind: 'network', origin: 'cni' } as const
  return timeDriver(driver, () => run(plugin, verb, attachment, config, options))
}

async function run(
  plugin: string,
  verb: Verb,
  { containerId, netns, interfaceName, args }: Attachment,
  config: JsonObject,
  { directories, deadline, signal }: ChainOptions,
): Promise<unknown> {
  const { isSuccess, stdout, stderr } = await runProgram({
    plugin,
    directories,
    environment: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: interfaceName,
      CNI_ARGS: args,
      CNI_PATH: directories.join(':'),
    },
    input: JSON.stringify(config),
    deadline,
    ...(signal && { signal }),
  })
  if (!isSuccess) throw readFailure(plugin, verb, stdout, stderr)
  if (verb !== 'ADD' && verb !== 'VERSION') return undefined
  try {
    return JSON.parse(stdout)
  } catch {
    throw wrongAnswer(plugin, `it is no JSON: ${JSON.stringify(brief(stdout))}`)
  }
}

function wrongAnswer(plugin: string, what: string): TsnetError {
  return new TsnetError('internal', 'cni-answer', `CNI plugin ${plugin}: its result is wrong: ${what}`)
}

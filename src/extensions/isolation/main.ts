/**
 * A thread that an operator's driver has for itself: loads it, says what it is, and calls it as the daemon orders. What it throws where
 * nobody waits for it is told to the log, and process.exit() ends the thread alone.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { errorMessage } from '../../errors.ts'
import { openNetns } from '../../sys/netns.ts'
import type { DriverContext, DriverLog } from '../api/context.ts'
import type { DriverDefinition } from '../api/driver.ts'
import type { Sandbox } from '../api/network.ts'
import { driverKinds, importDefinition } from '../definition.ts'
import { provideModules } from '../hooks.ts'
import {
  type Kind,
  type Manifest,
  type ManifestPart,
  type Order,
  pack,
  packError,
  type Report,
  type ThreadData,
} from './messages.ts'

const verbs: Readonly<Record<Kind, readonly string[]>> = {
  network: ['gatewayFor', 'createNetwork', 'removeNetwork', 'attach', 'detach'],
  ipam: ['requestPool', 'releasePool', 'lease', 'release', 'adopt'],
  volume: ['create', 'remove', 'mount', 'unmount', 'usage'],
}
const settings = ['scope', 'gateway', 'ports', 'options', 'endpointOptions'] as const

type Part = Readonly<Record<string, unknown>>

/** What may end the calls that are under way, by their ids. */
const calls = new Map<number, AbortController>()

const tell = (report: Report): void => parentPort?.postMessage(report)

const write =
  (level: keyof DriverLog) =>
  (message: string): void =>
    tell({ type: 'log', level, message: String(message) })
const log: DriverLog = {
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
}

function manifestOf(definition: DriverDefinition): Manifest {
  const { apiVersion, name, description, timeout, isolation } = definition
  const parts = driverKinds
    .filter((kind) => definition[kind] !== undefined)
    .map((kind) => [kind, describePart(kind, definition[kind] as unknown as Part)])
  return {
    settings: JSON.parse(JSON.stringify({ apiVersion, name, description, timeout, isolation })),
    parts: Object.fromEntries(parts),
  }
}

function describePart(kind: Kind, part: Part): ManifestPart {
  const present = settings.filter((setting) => part[setting] !== undefined)
  return {
    verbs: verbs[kind].filter((verb) => typeof part[verb] === 'function'),
    settings: Object.fromEntries(present.map((setting) => [setting, pack(part[setting])])),
  }
}

async function answer(definition: DriverDefinition, order: Order & { type: 'call' }): Promise<void> {
  const { id, kind, verb } = order
  const controller = new AbortController()
  calls.set(id, controller)
  try {
    const part = definition[kind] as unknown as Record<string, (...args: unknown[]) => unknown>
    using place = openPlace(order)
    const value = await part[verb]?.(...place.args, {
      log,
      signal: controller.signal,
    } satisfies DriverContext)
    tell({ type: 'answer', id, value })
  } catch (error) {
    tell({ type: 'failure', id, error: packError(error) })
  } finally {
    calls.delete(id)
  }
}

/** The namespace is opened anew for each call: a number of the daemon's may mean another one when the daemon has given up the call. */
function openPlace({ kind, args }: Order & { type: 'call' }): Disposable & { readonly args: unknown[] } {
  const [subject, sandbox, ...rest] = args
  if (kind !== 'network' || !isSandbox(sandbox)) return { args: [...args], [Symbol.dispose]() {} }
  const netns = openNetns(sandbox.path)
  return { args: [subject, { ...sandbox, netns }, ...rest], [Symbol.dispose]: () => netns.close() }
}

function isSandbox(value: unknown): value is Omit<Sandbox, 'netns'> {
  return typeof value === 'object' && value !== null && 'path' in value
}

process.on('uncaughtException', (error: unknown) => {
  const text = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)
  log.error(`thrown where nobody waits for it: ${text}`)
})

// Node counts the descriptors of a thread, to close them with it, and finds fault with those that it has not opened itself.
process.removeAllListeners('warning')
process.on('warning', ({ message }) => {
  if (!message.includes('not opened in unmanaged mode')) log.warn(message)
})

provideModules()
try {
  const definition = await importDefinition((workerData as ThreadData).url)
  parentPort?.on('message', (order: Order) => {
    if (order.type === 'call') return void answer(definition, order)
    calls.get(order.id)?.abort()
    tell({ type: 'alive' })
  })
  tell({ type: 'ready', manifest: manifestOf(definition) })
} catch (error) {
  tell({ type: 'unready', error: packError(error) })
}

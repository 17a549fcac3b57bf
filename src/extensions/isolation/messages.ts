/** What the daemon and the thread of an isolated driver tell each other. Structured cloning knows neither classes nor functions. */
import { type ErrorKind, errorMessage, TsnetError } from '../../errors.ts'
import type { DriverLog } from '../api/context.ts'
import { DriverError } from '../api/error.ts'
import type { driverKinds } from '../definition.ts'

export type Kind = (typeof driverKinds)[number]

export interface ThreadData {
  /** The driver's module. */
  readonly url: string
}

export type Order =
  | {
      readonly type: 'call'
      readonly id: number
      readonly kind: Kind
      readonly verb: string
      readonly args: readonly unknown[]
    }
  /** Nobody waits for the call any more. Answered with 'alive', at once. */
  | { readonly type: 'abort'; readonly id: number }

export type Report =
  | { readonly type: 'ready'; readonly manifest: Manifest }
  | { readonly type: 'unready'; readonly error: PackedError }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly error: PackedError }
  | { readonly type: 'log'; readonly level: keyof DriverLog; readonly message: string }
  | { readonly type: 'alive' }

/** A definition, less its functions. */
export interface Manifest {
  /** apiVersion, name and the like */
  readonly settings: Readonly<Record<string, unknown>>
  readonly parts: Partial<Record<Kind, ManifestPart>>
}

export interface ManifestPart {
  readonly verbs: readonly string[]
  /** What is no function, packed. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface PackedError {
  readonly kind: ErrorKind
  readonly message: string
  readonly stack: string
  /** Whether the driver has thrown it on purpose, or tsnet for it. */
  readonly isRefusal: boolean
}

export function packError(error: unknown): PackedError {
  const isRefusal = error instanceof DriverError || error instanceof TsnetError
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return { kind: isRefusal ? error.kind : 'internal', message: errorMessage(error), stack, isRefusal }
}

export function unpackError({ kind, message, stack, isRefusal }: PackedError): Error {
  const error = isRefusal ? new TsnetError(kind, 'driver-failed', message) : new Error(message)
  error.stack = stack
  return error
}

interface PackedObject {
  readonly isArray: boolean
  readonly properties: readonly (readonly [name: string, value: unknown, enumerable: boolean])[]
}

/** A schema has properties that cannot be enumerated, which cloning would lose. Throws kind 'invalid' for functions. */
export function pack(value: unknown): unknown {
  if (typeof value === 'function') {
    throw new TsnetError(
      'invalid',
      'driver-definition',
      'the options of an isolated driver must be a schema without functions, such as those of Refine and Codec',
    )
  }
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return value
  const isArray = Array.isArray(value)
  const properties = Object.entries(Object.getOwnPropertyDescriptors(value))
    .filter(([name]) => !(isArray && name === 'length'))
    .map(([name, one]) => [name, pack(one.value), one.enumerable === true] as const)
  return { isArray, properties } satisfies PackedObject
}

export function unpack(packed: unknown): unknown {
  if (typeof packed !== 'object' || packed === null || packed instanceof RegExp) return packed
  const { isArray, properties } = packed as PackedObject
  const value = isArray ? [] : {}
  for (const [name, one, enumerable] of properties) {
    Object.defineProperty(value, name, {
      value: unpack(one),
      enumerable,
      writable: true,
      configurable: true,
    })
  }
  return value
}

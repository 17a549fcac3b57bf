/** Errors of the CNI specification: what a plugin says of its failure, as one of tsnet's and back. Pure. */
import { type ErrorKind, errorKind, errorMessage, TsnetError } from '../errors.ts'
import { isObject } from './network-list.ts'

/** The specification's codes; from 100 on they are the plugin's own. */
export const failureCodes = {
  version: 1,
  field: 2,
  container: 3,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  tryAgain: 11,
  unavailable: 50,
  limited: 51,
} as const

const ownCode = 100

const kinds: Readonly<Record<number, ErrorKind>> = {
  [failureCodes.version]: 'unsupported',
  [failureCodes.field]: 'invalid',
  [failureCodes.container]: 'not-found',
  [failureCodes.environment]: 'invalid',
  [failureCodes.decode]: 'invalid',
  [failureCodes.config]: 'invalid',
  [failureCodes.tryAgain]: 'unavailable',
  [failureCodes.unavailable]: 'unavailable',
  [failureCodes.limited]: 'unavailable',
}

/** What a plugin has printed that failed, with its name. */
export function readFailure(plugin: string, verb: string, stdout: string, stderr: string): TsnetError {
  const body = parse(stdout)
  const said = isObject(body) ? [body['msg'], body['details']].filter(Boolean).map(String).join('; ') : ''
  const code = isObject(body) ? Number(body['code']) : Number.NaN
  const text = said || brief(stderr) || brief(stdout) || 'it failed without a word'
  return new TsnetError(kinds[code] ?? 'internal', 'cni-failed', `CNI plugin ${plugin} (${verb}): ${text}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export function brief(text: string): string {
  return text.trim().slice(0, 300)
}

const codes: Partial<Record<ErrorKind, number>> = {
  invalid: failureCodes.config,
  unsupported: failureCodes.config,
  unavailable: failureCodes.tryAgain,
}

/** What tsnet itself prints as a plugin. */
export function formatFailure(version: string, error: unknown): object {
  const isVersion = error instanceof TsnetError && error.code === 'cni-version'
  const code = isVersion ? failureCodes.version : (codes[errorKind(error)] ?? ownCode)
  return { cniVersion: version, code, msg: errorMessage(error) }
}

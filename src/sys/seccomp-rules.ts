/** Docker's seccomp profiles: their JSON form, and which of their rules hold for one container. Pure. */
import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { TsnetError } from '../errors.ts'

/** A field that may be missing; profiles written by Go programs have null there. */
const Maybe = <T extends TSchema>(type: T) => Type.Optional(Type.Union([type, Type.Null()]))
const Strings = Type.Array(Type.String())
/** Arguments have 64 bits: a number from TypeScript, a bigint from JSON. */
const Word = Type.Union([Type.Number(), Type.BigInt()])

const Condition = Type.Object({
  index: Type.Integer({ minimum: 0, maximum: 5 }),
  value: Word,
  valueTwo: Maybe(Word),
  op: Type.String(),
})

const Circumstances = Type.Object({
  /** With the prefix CAP_. */
  caps: Maybe(Strings),
  /** Go's names: amd64, arm64 … */
  arches: Maybe(Strings),
  /** e.g. '4.8' */
  minKernel: Maybe(Type.String({ pattern: '^(|\\d+\\.\\d+)$' })),
})

const Rule = Type.Object({
  name: Maybe(Type.String()),
  names: Maybe(Strings),
  action: Type.String(),
  errnoRet: Maybe(Type.Integer()),
  args: Maybe(Type.Array(Condition)),
  includes: Maybe(Circumstances),
  excludes: Maybe(Circumstances),
})

const Profile = Type.Object({
  defaultAction: Type.String(),
  defaultErrnoRet: Maybe(Type.Integer()),
  architectures: Maybe(Strings),
  archMap: Maybe(
    Type.Readonly(Type.Array(Type.Object({ architecture: Type.String(), subArchitectures: Maybe(Strings) }))),
  ),
  syscalls: Maybe(Type.Array(Rule)),
})

export type SeccompProfile = Static<typeof Profile>
export type SeccompRule = Static<typeof Rule>
type SeccompCircumstances = Static<typeof Circumstances>

/** What decides whether a rule holds. */
export interface SeccompTarget {
  /** The bounding set, names without CAP_. */
  readonly capabilities: readonly string[]
  /** 'amd64' or 'arm64' */
  readonly architecture: string
  /** uname -r */
  readonly kernelRelease: string
}

/** A rule for one call, ready for libseccomp: the conditions must all be met. */
export interface SelectedRule {
  readonly name: string
  /** SCMP_ACT_* with its value */
  readonly action: number
  readonly conditions: readonly SelectedCondition[]
}

export interface SelectedCondition {
  readonly argument: number
  /** enum scmp_compare */
  readonly operator: number
  readonly a: bigint
  readonly b: bigint
}

export interface SelectedRules {
  readonly defaultAction: number
  /** libseccomp's names, e.g. 'x86_64'. The machine's own is always meant. */
  readonly architectures: readonly string[]
  readonly rules: readonly SelectedRule[]
  /** Calls that are newer than all that the profile names get ENOSYS instead of the default action. */
  readonly refuseUnknownAsMissing: boolean
}

/** <seccomp.h>: each may carry a value in its low 16 bits. */
const actions: ReadonlyMap<string, number> = new Map([
  ['SCMP_ACT_KILL', 0x00000000],
  ['SCMP_ACT_KILL_THREAD', 0x00000000],
  ['SCMP_ACT_KILL_PROCESS', 0x80000000],
  ['SCMP_ACT_TRAP', 0x00030000],
  ['SCMP_ACT_ERRNO', 0x00050000],
  ['SCMP_ACT_TRACE', 0x7ff00000],
  ['SCMP_ACT_LOG', 0x7ffc0000],
  ['SCMP_ACT_ALLOW', 0x7fff0000],
])
const actionsWithValue = ['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']
/** After these a new system call is let through, or answered by a tracer. */
const permissiveActions = ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE']

const EPERM = 1

const operators: ReadonlyMap<string, number> = new Map([
  ['SCMP_CMP_NE', 1],
  ['SCMP_CMP_LT', 2],
  ['SCMP_CMP_LE', 3],
  ['SCMP_CMP_EQ', 4],
  ['SCMP_CMP_GE', 5],
  ['SCMP_CMP_GT', 6],
  ['SCMP_CMP_MASKED_EQ', 7],
])

/** Reads a profile in Docker's JSON form, the old one with `name` too. Throws TsnetError 'invalid'. */
export function parseSeccompProfile(text: string): SeccompProfile {
  let value: unknown
  try {
    value = JSON.parse(text, keepWords as (key: string, value: unknown) => unknown)
  } catch (error) {
    throw invalid((error as Error).message)
  }
  if (Value.Check(Profile, value)) return value
  const [problem] = Value.Errors(Profile, value)
  throw invalid(`${problem?.instancePath || 'the profile'} ${problem?.message}`)
}

/** Reads the arguments' values from the text, where all 64 bits are; TypeScript's types do not know the third parameter. */
function keepWords(key: string, value: unknown, context: { source: string }): unknown {
  const isWord = (key === 'value' || key === 'valueTwo') && Number.isInteger(value)
  return isWord ? BigInt(context.source) : value
}

function invalid(problem: string): TsnetError {
  return new TsnetError('invalid', 'invalid-seccomp-profile', `Decoding seccomp profile failed: ${problem}`)
}

/** The part of `profile` that holds for `target`. Throws TsnetError 'invalid' for words that do not exist. */
export function selectRules(profile: SeccompProfile, target: SeccompTarget): SelectedRules {
  const defaultAction = actionValue(profile.defaultAction, profile.defaultErrnoRet)
  const rules = (profile.syscalls ?? [])
    .filter((rule) => holds(rule, target))
    .flatMap(expandRule)
    // libseccomp refuses what the default says already
    .filter((rule) => rule.action !== defaultAction)
  const isPermissive = permissiveActions.includes(profile.defaultAction)
  const refuseUnknownAsMissing = !isPermissive && profile.defaultErrnoRet == null
  return { defaultAction, architectures: architecturesOf(profile, target), rules, refuseUnknownAsMissing }
}

function actionValue(name: string, value: number | null | undefined): number {
  const action = actions.get(name)
  if (action === undefined) throw invalid(`${name} is not an action that tsnet can apply`)
  return actionsWithValue.includes(name) ? action + ((value ?? EPERM) & 0xffff) : action
}

function holds({ includes, excludes }: SeccompRule, target: SeccompTarget): boolean {
  const { caps, arches, minKernel } = circumstances(includes)
  if (arches.length > 0 && !arches.includes(target.architecture)) return false
  if (!caps.every((name) => hasCapability(name, target))) return false
  if (minKernel !== '' && !isKernelAtLeast(minKernel, target)) return false
  const without = circumstances(excludes)
  if (without.arches.includes(target.architecture)) return false
  if (without.caps.some((name) => hasCapability(name, target))) return false
  return without.minKernel === '' || !isKernelAtLeast(without.minKernel, target)
}

function circumstances(given: SeccompCircumstances | null | undefined) {
  return { caps: given?.caps ?? [], arches: given?.arches ?? [], minKernel: given?.minKernel ?? '' }
}

function hasCapability(name: string, target: SeccompTarget): boolean {
  return target.capabilities.includes(name.replace(/^CAP_/, ''))
}

function isKernelAtLeast(wanted: string, target: SeccompTarget): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number)
  const [ownMajor = 0, ownMinor = 0] = target.kernelRelease.split('.').map(Number.parseFloat)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

function expandRule(rule: SeccompRule): SelectedRule[] {
  if (rule.name && rule.names?.length) {
    throw invalid(
      "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
    )
  }
  const names = rule.name ? [rule.name] : (rule.names ?? [])
  const action = actionValue(rule.action, rule.errnoRet)
  const conditions = (rule.args ?? []).map(selectCondition)
  return names.flatMap((name) => alternatives(conditions).map((all) => ({ name, action, conditions: all })))
}

function selectCondition(condition: Static<typeof Condition>): SelectedCondition {
  const operator = operators.get(condition.op)
  if (operator === undefined) throw invalid(`${condition.op} is not a comparison`)
  return {
    argument: condition.index,
    operator,
    a: BigInt.asUintN(64, BigInt(condition.value)),
    b: BigInt.asUintN(64, BigInt(condition.valueTwo ?? 0)),
  }
}

/** Conditions on different arguments must all be met; with two on the same argument, any one is enough, as in runc. */
function alternatives(conditions: readonly SelectedCondition[]): readonly SelectedCondition[][] {
  const isRepeated = new Set(conditions.map(({ argument }) => argument)).size < conditions.length
  return isRepeated ? conditions.map((condition) => [condition]) : [[...conditions]]
}

function architecturesOf(profile: SeccompProfile, target: SeccompTarget): string[] {
  const { architectures, archMap } = profile
  if (architectures?.length && archMap?.length) {
    throw invalid(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    )
  }
  const own = target.architecture === 'arm64' ? 'SCMP_ARCH_AARCH64' : 'SCMP_ARCH_X86_64'
  const entry = archMap?.find(({ architecture }) => architecture === own)
  const listed = architectures?.length ? architectures : [own, ...(entry?.subArchitectures ?? [])]
  return listed.map((name) => name.replace(/^SCMP_ARCH_/, '').toLowerCase())
}

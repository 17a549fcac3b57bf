/** Compiles seccomp profiles to filter programs, which `loadSeccompFilter` applies elsewhere and later. */
import { arch, constants, release } from 'node:os'
import { TsnetError } from '../errors.ts'
import { BPF_MAXINSNS, SOCK_FILTER_BYTES } from './constants/seccomp.ts'
import { declare } from './libc.ts'
import {
  __NR_SCMP_ERROR,
  checkLibrary,
  exportProgram,
  type FilterContext,
  libseccomp,
  SCMP_ARCH_NATIVE,
  SCMP_ARCH_X32,
  SCMP_FLTATR_CTL_OPTIMIZE,
} from './libseccomp.ts'
import { defaultProfile } from './seccomp-profile.ts'
import { type LastCall, missingCallsPrologue, X32_SYSCALL_BIT } from './seccomp-prologue.ts'
import {
  parseSeccompProfile,
  type SelectedCondition,
  type SelectedRules,
  selectRules,
} from './seccomp-rules.ts'

const nativeSyscall = declare<[number], number>('long syscall(long number)')

/** Compiling takes milliseconds, and nearly all containers of a machine want the same few filters. */
const compiled = new Map<string, Buffer>()
const compiledLimit = 32

/**
 * The filter for a container with these capabilities (names without CAP_), empty for 'unconfined'. `profile` is
 * 'default', 'unconfined' or a profile in Docker's JSON form. Throws TsnetError 'invalid' for a wrong profile and
 * 'unsupported' without libseccomp.
 */
export function buildSeccompFilter(profile: string, capabilities: readonly string[]): Buffer {
  if (profile === 'unconfined') return Buffer.alloc(0)
  const key = `${capabilities.toSorted().join(' ')}\n${profile}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const target = {
    capabilities,
    architecture: arch() === 'x64' ? 'amd64' : arch(),
    kernelRelease: release(),
  }
  const rules = selectRules(profile === 'default' ? defaultProfile : parseSeccompProfile(profile), target)
  const filter = compileRules(rules)
  if (compiled.size >= compiledLimit) compiled.clear()
  compiled.set(key, filter)
  return filter
}

/** Throws TsnetError 'invalid' when libseccomp or the kernel could not take the rules. */
export function compileRules(rules: SelectedRules): Buffer {
  const library = libseccomp()
  const context = library.init(rules.defaultAction)
  if (context === null) throw new TsnetError('internal', 'seccomp', 'seccomp_init refuses the default action')
  try {
    const deadX32 = rules.refuseUnknownAsMissing && rules.architectures.includes('x32') && !hasX32()
    const names = rules.architectures.filter((name) => !(deadX32 && name === 'x32'))
    const architectures = addArchitectures(context, names)
    // a binary tree instead of a list; libseccomp up to 2.5.4 makes a wrong one when there are no rules
    if (rules.rules.length > 0) library.setAttribute(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    addRules(context, rules)
    const last = rules.refuseUnknownAsMissing ? lastCalls(architectures, rules) : []
    const prologue = missingCallsPrologue(deadX32 ? [...last, noX32] : last)
    return limitLength(Buffer.concat([...prologue, exportProgram(context)]))
  } finally {
    library.release(context)
  }
}

/** Every number of the ABI is above this. */
const noX32: LastCall = { architecture: SCMP_ARCH_X32, last: X32_SYSCALL_BIT - 1 }

/**
 * Whether the kernel has the x32 ABI; getpid says it. Nearly no kernel has, and all of its calls are ENOSYS then: to
 * say so in six instructions instead of the whole list saves a third of the filter and of the time to load it.
 */
function hasX32(): boolean {
  const getpid = 39
  return nativeSyscall(X32_SYSCALL_BIT + getpid) >= 0
}

/** The tokens of the architectures. The machine's own is in every filter from the start. */
function addArchitectures(context: FilterContext, names: readonly string[]): number[] {
  return names.map((name) => {
    const token = libseccomp().resolveArchitecture(name)
    const result = token === 0 ? -constants.errno.EINVAL : libseccomp().addArchitecture(context, token)
    if (result < 0 && result !== -constants.errno.EEXIST) {
      const problem = token === 0 ? 'is not known' : 'does not go together with this machine'
      throw new TsnetError(
        'invalid',
        'invalid-seccomp-profile',
        `seccomp architecture ${name.toUpperCase()} ${problem}`,
      )
    }
    return token
  })
}

function addRules(context: FilterContext, { rules }: SelectedRules): void {
  const library = libseccomp()
  for (const { name, action, conditions } of rules) {
    const call = library.resolveCall(SCMP_ARCH_NATIVE, name)
    // newer than the library, or of another architecture
    if (call === __NR_SCMP_ERROR) continue
    const result = library.addRule(context, action, call, conditions.length, encodeConditions(conditions))
    checkLibrary(result, 'seccomp_rule_add', name)
  }
}

/** struct scmp_arg_cmp { unsigned arg; enum scmp_compare op; uint64_t a, b } */
function encodeConditions(conditions: readonly SelectedCondition[]): Buffer {
  const size = 24
  const bytes = Buffer.alloc(conditions.length * size)
  for (const [index, { argument, operator, a, b }] of conditions.entries()) {
    bytes.writeUInt32LE(argument, index * size)
    bytes.writeUInt32LE(operator, index * size + 4)
    bytes.writeBigUInt64LE(a, index * size + 8)
    bytes.writeBigUInt64LE(b, index * size + 16)
  }
  return bytes
}

/** The highest number that the rules name, per architecture; one for which they name none is left out. */
function lastCalls(architectures: readonly number[], { rules }: SelectedRules): LastCall[] {
  const names = new Set(rules.map(({ name }) => name))
  return architectures
    .map((architecture) => {
      const numbers = [...names].map((name) => libseccomp().resolveCall(architecture, name))
      return { architecture, last: Math.max(...numbers) }
    })
    .filter(({ last }) => last >= 0)
}

function limitLength(filter: Buffer): Buffer {
  const length = filter.length / SOCK_FILTER_BYTES
  if (length <= BPF_MAXINSNS) return filter
  throw new TsnetError(
    'invalid',
    'invalid-seccomp-profile',
    `seccomp profile compiles to ${length} instructions, more than the ${BPF_MAXINSNS} that the kernel takes: name fewer system calls`,
  )
}

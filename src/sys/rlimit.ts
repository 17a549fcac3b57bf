/** Resource limits of a process (getrlimit(2)) by the names of Docker's `--ulimit`. */
import { TsnetError } from '../errors.ts'
import { RLIMIT } from './constants/resource.ts'
import { check, declare } from './libc.ts'

const nativeSetrlimit = declare<[number, Buffer], number>('int setrlimit(int resource, const void *limits)')

/** Both limits in the resource's own unit; -1 is unlimited. */
export interface Rlimit {
  readonly name: string
  readonly soft: number
  readonly hard: number
}

const unlimited = -1

/** Throws TsnetError 'invalid' with Docker's texts when the kernel would not know the name or take the pair. */
export function checkRlimit({ name, soft, hard }: Rlimit): void {
  if (!RLIMIT.has(name)) throw invalid(`invalid ulimit type: ${name}`)
  if (hard === unlimited) return
  const rule = 'ulimit soft limit must be less than or equal to hard limit'
  if (soft === unlimited) throw invalid(`${rule}: soft: -1 (unlimited), hard: ${hard}`)
  if (soft > hard) throw invalid(`${rule}: ${soft} > ${hard}`)
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'invalid-ulimit', message)
}

/** setrlimit(2) for this process. Raising a hard limit needs CAP_SYS_RESOURCE. */
export function applyRlimits(limits: readonly Rlimit[]): void {
  for (const limit of limits) {
    checkRlimit(limit)
    const value = Buffer.alloc(16)
    value.writeBigUInt64LE(BigInt.asUintN(64, BigInt(limit.soft)), 0)
    value.writeBigUInt64LE(BigInt.asUintN(64, BigInt(limit.hard)), 8)
    check(nativeSetrlimit(RLIMIT.get(limit.name) ?? 0, value), 'setrlimit', limit.name)
  }
}

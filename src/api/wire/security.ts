/** What a container may do, on the wire: capabilities, SecurityOpt, Sysctls. */
import { TsnetError } from '../../errors.ts'
import type { Labels } from '../../store/records.ts'
import { unsupported } from './unsupported-options.ts'

/** Names without CAP_, upper case; whether they exist is decided with the rest of the plan. */
export function toCapabilities(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.toUpperCase().replace(/^CAP_/, '')))]
}

/** As Docker shows them. */
export function fromCapabilities(names: readonly string[]): string[] | null {
  return names.length === 0 ? null : names.map((name) => (name === 'ALL' ? name : `CAP_${name}`))
}

export interface SecurityOptions {
  readonly noNewPrivileges: boolean
  /** 'default', 'unconfined', or a profile in Docker's JSON form */
  readonly seccomp: string
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-security-option', message)
}

/** Throws kind 'invalid' for what is no option, 'unsupported' for a profile of AppArmor or a label of SELinux. */
export function toSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false
  let seccomp = 'default'
  for (const option of options) {
    if (option === 'disable') continue
    const [name, value] = splitOption(option)
    if (name === 'no-new-privileges') noNewPrivileges = parseBoolean(option, value)
    else if (name === 'seccomp') seccomp = value === 'builtin' ? 'default' : value
    else if (name === 'apparmor' || name === 'label') refuseModule(name, value)
    else throw invalid(`invalid --security-opt 2: "${option}"`)
  }
  return { noNewPrivileges, seccomp }
}

/** `name=value`, or the older `name:value`. */
function splitOption(option: string): [name: string, value: string] {
  if (option === 'no-new-privileges') return [option, 'true']
  const at = option.includes('=') ? option.indexOf('=') : option.indexOf(':')
  if (at < 0) throw invalid(`invalid --security-opt 1: "${option}"`)
  return [option.slice(0, at), option.slice(at + 1)]
}

function parseBoolean(option: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true
  if (/^(0|f|false)$/i.test(value)) return false
  throw invalid(`invalid --security-opt 2: "${option}"`)
}

/** Only the values that ask for nothing pass. */
function refuseModule(name: 'apparmor' | 'label', value: string): void {
  if (name === 'apparmor' && (value === '' || value === 'unconfined')) return
  if (name === 'label' && value === 'disable') return
  throw unsupported(
    `--security-opt ${name}=${value} is not supported: containers run without ${modules[name]}`,
  )
}

const modules = { apparmor: 'AppArmor', label: 'SELinux' } as const

/** null when nothing differs from the default. */
export function fromSecurityOptions(options: SecurityOptions): string[] | null {
  const words = [
    ...(options.noNewPrivileges ? ['no-new-privileges'] : []),
    ...(options.seccomp === 'default' ? [] : [`seccomp=${options.seccomp}`]),
  ]
  return words.length > 0 ? words : null
}

/** Kernel settings that belong to a namespace of the container's own; all others would change the host. */
const ownSysctls =
  /^(net\.|fs\.mqueue\.|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|domainname)$)/

/** Throws kind 'invalid' for a setting that would reach the host. */
export function toSysctls(sysctls: Labels, networkMode: string): Labels {
  for (const name of Object.keys(sysctls)) {
    if (!ownSysctls.test(name)) {
      throw new TsnetError('invalid', 'bad-sysctl', `sysctl "${name}" is not in a separate kernel namespace`)
    }
    if (networkMode === 'host' && name.startsWith('net.')) {
      throw new TsnetError('invalid', 'bad-sysctl', `sysctl "${name}" not allowed in host network namespace`)
    }
  }
  return sysctls
}

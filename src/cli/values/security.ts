/** `--security-opt`. */
import { readFileSync } from 'node:fs'
import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** `--security-opt` parted into what the daemon gets and what the client does itself. */
export interface SecurityOptions {
  readonly options: readonly string[]
  /** systempaths=unconfined: nothing of /proc and /sys is masked or read-only; the client says so, not the daemon */
  readonly isSystemPathsUnconfined: boolean
}

/** Checks the options and puts the content of a seccomp profile in place of its file's name. */
export function parseSecurityOptions(given: readonly string[]): SecurityOptions {
  const options = given.map(parseSecurityOption)
  return {
    options: options.filter((option) => option !== 'systempaths=unconfined'),
    isSystemPathsUnconfined: options.includes('systempaths=unconfined'),
  }
}

function parseSecurityOption(option: string): string {
  const [key, content] = option.includes('=') ? cut(option, '=') : cut(option, ':')
  if (!content && key !== 'no-new-privileges')
    throw badValue(`invalid --security-opt: ${JSON.stringify(option)}`)
  if (key !== 'seccomp' || content === 'unconfined' || content === 'builtin') return option
  return `seccomp=${readProfile(content!)}`
}

function readProfile(file: string): string {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    throw badValue(`opening seccomp profile (${file}) failed: ${(error as Error).message}`)
  }
  try {
    return JSON.stringify(JSON.parse(content))
  } catch (error) {
    throw badValue(`compacting json for seccomp profile (${file}) failed: ${(error as Error).message}`)
  }
}

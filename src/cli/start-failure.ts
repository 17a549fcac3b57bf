import { TsnetError } from '../errors.ts'

/**
 * The exit status when a container could not be started, read from the daemon's words as Docker does: 127 when the program
 * is not there, 126 when it cannot be executed, 125 otherwise.
 */
export function startFailureStatus(error: unknown): 125 | 126 | 127 {
  if (!(error instanceof TsnetError) || error.code !== 'api') return 125
  if (/executable file not found|no such file or directory/.test(error.message)) return 127
  if (/permission denied/.test(error.message)) return 126
  return 125
}

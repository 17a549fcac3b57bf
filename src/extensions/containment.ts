/** What a driver does outside the calls that it is given, such as in a timer: no reason for the daemon to end. */
import { errorMessage } from '../errors.ts'
import type { Logger } from '../log.ts'
import { DriverError } from './api/error.ts'
import { isFromDriver } from './hooks.ts'

/** For the rest of this process's life. What is not of a driver's doing ends the process, as it would without this. */
export function containDrivers(log: Logger): void {
  process.on('uncaughtException', (error: unknown) => {
    if (error instanceof Error && isFromDriver(error.stack ?? '')) {
      log.error({ err: error }, 'a driver has thrown where nobody waits for it')
      return
    }
    process.stderr.write(`tsnet daemon: ${error instanceof Error ? error.stack : errorMessage(error)}\n`)
    process.exit(1)
  })
  const { exit } = process
  process.exit = ((code?: number) => {
    if (isFromDriver(new Error().stack ?? '')) {
      throw new DriverError('internal', 'process.exit() would end the daemon: throw an error instead')
    }
    return exit.call(process, code)
  }) as typeof process.exit
}

import { type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger

/** A logger that writes JSON lines to `fd` (standard error by default). Levels are pino's. */
export function createLogger(level: string, fd = 2): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd, sync: true }),
  )
}

import { exitFailed } from './steps.ts'

/** A start that failed before the program ran; the exit code is what `docker run` would end with. */
export class StartError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitFailed) {
    super(message)
    this.name = 'StartError'
    this.exitCode = exitCode
  }
}

/** Lines of JSON between the daemon and a worker: one request at a time, then progress, then one reply. */
import type { ErrorKind } from '../../errors.ts'

/** Descriptors in the worker. What a job sends goes out by the first, in the order of jobs. */
export const streamFd = 1
export const requestFd = 3
export const replyFd = 4

export interface Request {
  readonly job: string
  readonly input: unknown
}

export interface Failure {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
  /** The errno's name where a system call failed, else ''. */
  readonly errno: string
}

export type Reply =
  | { readonly progress: readonly [bytes: number, total: number] }
  /** `sent` tells how many bytes of the stream are the job's. */
  | { readonly output: unknown; readonly sent: number }
  | { readonly error: Failure }

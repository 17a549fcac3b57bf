/**
 * The volume worker: a process of the daemon's that may hang. It does what waits for file systems of others or walks whole
 * trees, one job after the other, and is killed when a job takes too long. Whatever it changes in several steps is staged, so
 * that it may be killed at any instruction.
 */

import { TsnetError } from '../../errors.ts'
import { SyscallError } from '../../sys/errno.ts'
import { endWithParent } from '../../sys/process.ts'
import { receive, send, sendStream } from './channel.ts'
import type { Context, Job } from './job.ts'
import { jobs } from './jobs.ts'
import type { Failure } from './protocol.ts'

/** Milliseconds between two reports of progress. */
const progressEvery = 100

/** What a job has, and what it has done with that. */
class JobContext implements Context {
  #told = 0
  /** bytes */
  sent = 0

  progress(bytes: number, total: number): void {
    const now = Date.now()
    if (now - this.#told < progressEvery && (total === 0 || bytes < total)) return
    this.#told = now
    send({ progress: [bytes, total] })
  }

  write(bytes: Buffer): void {
    sendStream(bytes)
    this.sent += bytes.length
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof SyscallError) {
    const { kind, code, message, errnoName: errno } = error
    return { kind, code, message, errno }
  }
  if (error instanceof TsnetError) {
    const { kind, code, message } = error
    return { kind, code, message, errno: '' }
  }
  const { code, errno, syscall, path, message } = error as NodeJS.ErrnoException
  if (errno === undefined || code === undefined)
    return { kind: 'internal', code: 'internal', message, errno: '' }
  // node's numbers are negative
  const failed = new SyscallError(syscall ?? 'system call', -errno, path ?? '')
  return { kind: failed.kind, code: failed.code, message: failed.message, errno: code }
}

async function serve(): Promise<void> {
  for (let request = receive(); request !== null; request = receive()) {
    try {
      const job = jobs[request.job as keyof typeof jobs] as Job
      const context = new JobContext()
      const output = (await job(request.input, context)) ?? null
      send({ output, sent: context.sent })
    } catch (error) {
      send({ error: failureOf(error) })
    }
  }
  process.exit(0)
}

endWithParent(Number(process.argv[2]))
void serve()

/** init: a short-lived Node process, PID 1 of a fresh PID namespace (or of a container's), that becomes the user's program. */
import { exitNow, setCloseOnExec } from '../sys/process.ts'
import { channelFds, receive, send } from './channel.ts'
import { run } from './run.ts'
import { StartError } from './start-error.ts'
import { exitFailed, type InitPlan } from './steps.ts'

for (const fd of channelFds) setCloseOnExec(fd, true)
const plan = receive() as InitPlan
try {
  run(plan)
} catch (error) {
  const exitCode = error instanceof StartError ? error.exitCode : exitFailed
  send({ error: { message: (error as Error).message, exitCode } })
  // Node's own way out would run into the seccomp filter.
  exitNow(exitCode)
}

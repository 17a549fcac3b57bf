import type { Client } from './client.ts'
import { containerPath } from './paths.ts'

// All that can be caught and mean something to the program; SIGPIPE and SIGCHLD are the client's own, SIGURG is noise.
const forwarded: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
]

/** Sends the signals that come to the client on to the container's program, until disposed. */
export function forwardSignals(client: Client, container: string): Disposable {
  const forward = (signal: NodeJS.Signals) => {
    const query = { signal: signal.slice('SIG'.length) }
    // The container may have ended meanwhile, which its exit status will tell.
    client.call('POST', containerPath(container, 'kill'), { query }).catch(() => {})
  }
  for (const signal of forwarded) process.on(signal, forward)
  return {
    [Symbol.dispose]: () => {
      for (const signal of forwarded) process.off(signal, forward)
    },
  }
}

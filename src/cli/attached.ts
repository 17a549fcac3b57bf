/** A container with the client's own streams on it. */
import type { Client } from './client.ts'
import { printError } from './command.ts'
import { containerPath } from './paths.ts'
import { forwardSignals } from './signals.ts'
import { copyStreams } from './streams.ts'
import { followSize } from './terminal.ts'
import { parseDetachKeys } from './values/detach-keys.ts'

type WaitCondition = 'not-running' | 'next-exit' | 'removed'

/** A container to be run with the client at its ends: what is joined, and what is waited for. */
export interface Attachment {
  readonly container: string
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
  /** in Docker's notation, '' for ctrl-p,ctrl-q */
  readonly detachKeys: string
  readonly forwardsSignals: boolean
  /** what ends the wait for the exit status */
  readonly until: WaitCondition
  /** called once everything is in place and nothing can be missed */
  readonly start: () => Promise<void>
}

/** Returns the exit status of the container's program, or 0 when the user has left it with the detach keys. */
export async function runAttached(client: Client, attachment: Attachment): Promise<number> {
  const { container, stdin, stdout, stderr, tty } = attachment
  const detachKeys = parseDetachKeys(attachment.detachKeys)
  const query = { stream: true, stdin, stdout, stderr, detachKeys: attachment.detachKeys }
  using _signals = attachment.forwardsSignals ? forwardSignals(client, container) : undefined
  const [connection, waitForEnd] = await Promise.all([
    client.hijack(containerPath(container, 'attach'), { query }),
    openWait(client, container, attachment.until),
  ])
  try {
    await attachment.start()
  } catch (error) {
    connection.destroy()
    if (attachment.until === 'removed') await waitForEnd()
    throw error
  }
  using _size = tty ? followContainerSize(client, container) : undefined
  const end = await copyStreams(connection, { stdin, tty, detachKeys })
  return end === 'detached' ? 0 : await waitForEnd()
}

/**
 * Resolves once the daemon has taken the question for the exit status, so that an end right after cannot be missed; calling
 * the result waits for the answer.
 */
async function openWait(
  client: Client,
  container: string,
  condition: WaitCondition,
): Promise<() => Promise<number>> {
  const answer = await client.stream('POST', containerPath(container, 'wait'), { query: { condition } })
  const body = answer.setEncoding('utf8').toArray() as Promise<string[]>
  return async () => {
    const status = JSON.parse((await body).join('')) as {
      StatusCode: number
      Error?: { Message: string } | null
    }
    if (!status.Error?.Message) return status.StatusCode
    printError(`Error waiting for container: ${status.Error.Message}`)
    return 125
  }
}

function followContainerSize(client: Client, container: string): Disposable {
  return followSize(({ rows, columns }) =>
    client.call('POST', containerPath(container, 'resize'), { query: { h: rows, w: columns } }),
  )
}

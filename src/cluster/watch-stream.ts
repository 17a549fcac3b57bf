/** One watch of etcd's on one connection. */
import type { IWatchCreateRequest, IWatchResponse } from 'etcd3/lib/rpc.js'
import { type Connection, Unanswered } from './connection.ts'

export interface WatchCall {
  readonly token: string
  readonly request: IWatchCreateRequest
  /** milliseconds within which the first answer comes, which confirms the watch */
  readonly patience: number
}

/** Hands on what the watch answers, until the stream breaks or `signal` aborts; both throw, as does what `onAnswer` throws. */
export async function followWatch(
  connection: Connection,
  { token, request, patience }: WatchCall,
  onAnswer: (answer: IWatchResponse) => void,
  signal: AbortSignal,
): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stream = connection.stream('Watch', 'watch', token)
  const confirmed = setTimeout(() => reject(new Unanswered(patience, true)), patience)
  const leave = () => reject(signal.reason)
  signal.addEventListener('abort', leave)
  stream.on('data', (answer: IWatchResponse) => {
    clearTimeout(confirmed)
    try {
      if (answer.canceled) throw cancellation(answer)
      onAnswer(answer)
    } catch (error) {
      reject(error)
    }
  })
  stream.on('error', reject)
  stream.on('end', () => reject(new Error('the stream ended')))
  stream.write({ create_request: request })
  try {
    return await promise
  } finally {
    clearTimeout(confirmed)
    signal.removeEventListener('abort', leave)
    stream.cancel()
  }
}

/** A canceled watch says why in words alone, which are those of the errors of calls. */
function cancellation(answer: IWatchResponse): Error {
  const isCompaction = answer.compact_revision !== '0'
  const reason = isCompaction ? 'required revision has been compacted' : answer.cancel_reason
  return Object.assign(new Error(reason), { code: 9 })
}

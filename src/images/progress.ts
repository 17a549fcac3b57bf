import type { ProgressSink } from './image.ts'

/** milliseconds between two lines about one layer */
const interval = 100

/** A line for a message that is not about one layer. */
export function sayAll(progress: ProgressSink, status: string, id = ''): void {
  progress({ id, status, current: 0, total: 0 })
}

/** Reports bytes of one layer, but not each of them: the first, the last, and a line now and then. */
export function throttle(
  progress: ProgressSink,
  id: string,
  total: number,
): (status: string, current: number) => void {
  let last = 0
  return (status, current) => {
    const now = Date.now()
    if (current < total && now - last < interval) return
    last = now
    progress({ id, status, current, total })
  }
}

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
  let last = { time: 0, status: '', current: -1 }
  return (status, current) => {
    const time = Date.now()
    const isSame = status === last.status && current === last.current
    if (isSame || (current < total && time - last.time < interval)) return
    last = { time, status, current }
    progress({ id, status, current, total })
  }
}

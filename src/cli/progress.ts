/** The stream of JSON messages that pull, load and import answer with. */
import type { Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import { formatSize } from './units.ts'

/** One message, as of Docker's JSON message stream; a layer's short id names what it is about. */
export interface Message {
  readonly id?: string
  readonly status?: string
  readonly stream?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
  readonly error?: string
  readonly errorDetail?: { readonly message?: string }
  readonly aux?: unknown
}

/** Where messages are shown. */
export interface Display {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Shows the messages until the stream ends, and returns the last `aux`; throws at the first that is an error. */
export async function showProgress(source: Readable, display: Display): Promise<unknown> {
  const show = createProgress(display)
  let rest = ''
  let result: unknown
  source.setEncoding('utf8')
  for await (const chunk of source) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) result = showLine(line, show) ?? result
  }
  return showLine(rest, show) ?? result
}

function showLine(line: string, show: (message: Message) => void): unknown {
  if (line.trim() === '') return undefined
  const message = JSON.parse(line) as Message
  const reason = message.errorDetail?.message ?? message.error
  if (reason !== undefined) throw new TsnetError('internal', 'progress', reason)
  if (message.aux === undefined) show(message)
  return message.aux
}

/** On a terminal each id has a line of its own that is overwritten; elsewhere progress is left out. */
export function createProgress(display: Display): (message: Message) => void {
  const lines = new Map<string, number>()
  return (message) => {
    if (!display.isTTY) {
      if (formatBar(message.progressDetail, 0) === '') display.write(formatPlain(message))
      return
    }
    if (message.id === undefined || message.progressDetail === undefined) {
      lines.clear()
      display.write(formatPlain(message))
      return
    }
    if (!lines.has(message.id)) {
      lines.set(message.id, lines.size)
      display.write('\n')
    }
    const up = lines.size - lines.get(message.id)!
    const bar = formatBar(message.progressDetail, display.columns ?? 80)
    display.write(`\x1b[${up}A\x1b[2K\r${message.id}: ${message.status} ${bar}\r\x1b[${up}B`)
  }
}

function formatPlain({ id, status, stream }: Message): string {
  const prefix = id === undefined ? '' : `${id}: `
  return stream === undefined ? `${prefix}${status ?? ''}\n` : `${prefix}${stream}`
}

/** `[=====>     ]  1.2MB/3.4MB`, without the bar where the terminal is narrow; '' when nothing has been counted. */
function formatBar(detail: Message['progressDetail'], columns: number): string {
  const { current = 0, total = 0 } = detail ?? {}
  if (current <= 0 && total <= 0) return ''
  const done = formatSize(current, 4).padStart(8)
  if (total <= 0) return done
  const filled = Math.min(50, Math.trunc((current / total) * 50))
  const bar = columns > 110 ? `[${'='.repeat(filled)}>${' '.repeat(50 - filled)}] ` : ''
  return current > total ? `${bar}${done}` : `${bar}${done}/${formatSize(total, 4)}`
}

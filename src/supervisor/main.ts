/** supervisor: one per exec-root, detached, outlives the daemon. Owns the children, their stdio, logs and exit statuses. */
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { errorKind, errorMessage, TsnetError } from '../errors.ts'
import { warmThreadPool } from '../sys/netns.ts'
import { adoptChildren } from './adopt.ts'
import { Children, StartFailed } from './children.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LineSplitter } from './lines.ts'
import { InitPool } from './pool.ts'
import {
  type ExitEvent,
  type Failure,
  type Method,
  type Methods,
  type Reply,
  type Request,
  type StreamRequest,
  socketPath,
} from './protocol.ts'

type Handlers = {
  [M in Method]: (params: Methods[M]['params']) => Methods[M]['result'] | Promise<Methods[M]['result']>
}

function failure(error: unknown): Failure {
  return {
    kind: errorKind(error),
    code: error instanceof TsnetError ? error.code : 'internal',
    message: errorMessage(error),
    exitCode: error instanceof StartFailed ? error.exitCode : 0,
  }
}

async function answer(handlers: Handlers, request: Request): Promise<Reply> {
  try {
    const handler = handlers[request.method] as (params: unknown) => unknown
    return { id: request.id, result: await handler(request.params) }
  } catch (error) {
    return { id: request.id, error: failure(error) }
  }
}

/** null for what is none: whoever sends that is no daemon of ours. */
function parseMessage(line: string): Request | StreamRequest | null {
  try {
    const message = JSON.parse(line) as unknown
    return typeof message === 'object' ? (message as Request | StreamRequest) : null
  } catch {
    return null
  }
}

/** One connection: requests line by line, or a stream from its first line on. */
function serve(connection: Socket, handlers: Handlers, children: Children, onRequest: () => void): void {
  const lines = new LineSplitter()
  connection.on('error', () => connection.destroy())
  const onData = (chunk: Buffer): void => {
    for (const line of lines.push(chunk)) {
      const message = parseMessage(line)
      if (message === null) {
        connection.destroy()
        return
      }
      if ('stream' in message) {
        connection.off('data', onData)
        connection.write('\n')
        children.attach(connection, message, lines.takeRest())
        return
      }
      onRequest()
      void answer(handlers, message).then((reply) => connection.write(`${JSON.stringify(reply)}\n`))
    }
  }
  connection.on('data', onData)
}

function handlersOf(children: Children, keeper: LeaseKeeper, stop: () => void): Handlers {
  return {
    start: async (params) => ({ pid: await children.start(params) }),
    exec: async (params) => ({ pid: await children.exec(params) }),
    signal: ({ id, signal }) => {
      children.signal(id, signal)
      return null
    },
    resize: ({ id, rows, columns }) => {
      children.resize(id, rows, columns)
      return null
    },
    list: () => ({ running: children.running, exited: children.exited }),
    forget: ({ id }) => {
      children.forget(id)
      return null
    },
    keep: (order) => {
      keeper.keep(order)
      return null
    },
    'keep-for': ({ endpoint, container }) => {
      keeper.keepFor(endpoint, container)
      return null
    },
    shutdown: () => {
      if (children.isBusy || keeper.isNeeded) return { stopping: false }
      setImmediate(stop)
      return { stopping: true }
    },
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'exec-root': { type: 'string', default: '/run/tsnet' },
      'init-pool': { type: 'string', default: '2' },
    },
  })
  const execRoot = values['exec-root']
  const programs = dirname(process.argv[1] ?? '')
  const initPath = join(programs, 'init.cjs')
  await warmThreadPool()

  const daemons = new Set<Socket>()
  const announce = (exit: ExitEvent['exit']): void => {
    for (const daemon of daemons)
      daemon.write(`${JSON.stringify({ event: 'exit', exit } satisfies ExitEvent)}\n`)
    keeper.look()
  }
  const pool = new InitPool(initPath, Number(values['init-pool']))
  const children = new Children({ execRoot, pool, initPath, announce })
  const keeper = new LeaseKeeper({
    program: join(programs, 'keeper.mjs'),
    runs: (container) => children.isRunning(container),
  })

  adoptChildren(execRoot, children)

  const handlers = handlersOf(children, keeper, () => {
    pool.close()
    rmSync(socketPath(execRoot), { force: true })
    process.exit(0)
  })
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    // A client may end its input and read on, a daemon does not.
    connection.on('end', () => daemons.has(connection) && connection.destroy())
    connection.on('close', () => {
      if (daemons.delete(connection) && daemons.size === 0) keeper.daemonLeft()
    })
    serve(connection, handlers, children, () => daemons.add(connection))
  })

  mkdirSync(execRoot, { recursive: true, mode: 0o711 })
  rmSync(socketPath(execRoot), { force: true })
  server.listen(socketPath(execRoot), () => {
    // Whoever started this process waits for the end of its standard output.
    process.stdout.end('ready\n')
    pool.refill()
  })
}

// Signals meant for the daemon's group must not end what its containers depend on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
await main()

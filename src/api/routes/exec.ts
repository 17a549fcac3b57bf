/** Programs run inside running containers. */
import { Duplex } from 'node:stream'
import type { ExecRecord, ExecSpec, Execs } from '../../engine/engine.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { App } from '../app.ts'
import { type Query, sizeParameter } from '../query.ts'
import { ExecCreate, type ExecInspect, ExecStart } from '../schema/exec.ts'
import { sendDuplex } from '../stream.ts'

export interface ExecBackend {
  readonly execs: Execs
}

export function execRoutes(app: App, { execs }: ExecBackend): void {
  app.post('/containers/:name/exec', { schema: { body: ExecCreate } }, async (request, reply) => {
    const { name } = request.params as { name: string }
    return reply.code(201).send({ Id: await execs.create(name, toExecSpec(request.body)) })
  })

  app.post('/exec/:id/start', { schema: { body: ExecStart } }, async (request, reply) => {
    const { id } = request.params as { id: string }
    const { tty } = execs.get(id).spec
    const stream = await startExec(execs, id, request.body)
    if (stream === null) return reply.code(200).send()
    return sendDuplex(request, reply, stream, { tty, input: undefined })
  })

  app.get<{ Params: { id: string } }>('/exec/:id/json', async (request) =>
    toExecInspect(execs.get(request.params.id)),
  )

  app.post<{ Params: { id: string }; Querystring: Query }>('/exec/:id/resize', async (request, reply) => {
    const { params, query } = request
    await execs.resize(params.id, sizeParameter(query, 'h'), sizeParameter(query, 'w'))
    return reply.code(200).send()
  })
}

function toExecSpec(body: ExecCreate): ExecSpec {
  if (body.Cmd == null || body.Cmd.length === 0) {
    throw new TsnetError('invalid', 'no-exec-command', 'No exec command specified')
  }
  return {
    argv: body.Cmd,
    env: body.Env ?? [],
    workingDir: body.WorkingDir ?? '',
    user: body.User ?? '',
    tty: body.Tty === true,
    stdin: body.AttachStdin === true,
    stdout: body.AttachStdout === true,
    stderr: body.AttachStderr === true,
    privileged: body.Privileged === true,
    detachKeys: body.DetachKeys ?? '',
  }
}

/**
 * A program that cannot be run has ended with an exit code like any other, which clients ask for afterwards: so the
 * reason comes as its output, as in Docker.
 */
async function startExec(execs: Execs, id: string, body: ExecStart): Promise<Duplex | null> {
  const [rows, columns] = body.ConsoleSize ?? []
  const options = {
    detach: body.Detach === true,
    tty: body.Tty === true,
    rows: rows ?? 0,
    columns: columns ?? 0,
  }
  const hasRun = execs.get(id).exitCode !== null
  try {
    return await execs.start(id, options)
  } catch (error) {
    if (options.detach || hasRun || execs.get(id).exitCode === null) throw error
    return outputOf(`${errorMessage(error)}\r\n`, execs.get(id).spec.tty)
  }
}

/** stderr, in a frame unless there is a terminal. */
function outputOf(text: string, tty: boolean): Duplex {
  const bytes = Buffer.from(text)
  const header = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(bytes.length, 4)
  const output = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })
  output.push(tty ? bytes : Buffer.concat([header, bytes]))
  output.push(null)
  return output
}

function toExecInspect({ id, container, spec, running, exitCode, pid }: ExecRecord): ExecInspect {
  const [entrypoint = '', ...words] = spec.argv
  return {
    ID: id,
    Running: running,
    ExitCode: exitCode,
    ProcessConfig: {
      tty: spec.tty,
      entrypoint,
      arguments: words,
      privileged: spec.privileged,
      user: spec.user,
    },
    OpenStdin: spec.stdin,
    OpenStderr: spec.stderr,
    OpenStdout: spec.stdout,
    CanRemove: exitCode !== null,
    ContainerID: container,
    DetachKeys: spec.detachKeys,
    Pid: pid,
  }
}

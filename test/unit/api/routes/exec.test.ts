import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'
import { plainSpec } from '../wire/spec.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
beforeAll(async () => {
  await engine.containers.create(plainSpec, 'web')
})
afterAll(() => app.close())

const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })

describe('an exec', () => {
  test('is made from its body, and inspected', async () => {
    const payload = {
      Cmd: ['ls', '-l'],
      AttachStdout: true,
      User: 'nobody',
      WorkingDir: '/tmp',
      Env: ['A=1'],
    }
    const created = await post('/containers/web/exec', payload)
    expect(created.statusCode).toBe(201)
    const { Id } = created.json()
    expect(engine.execs.get(Id).spec).toEqual({
      argv: ['ls', '-l'],
      env: ['A=1'],
      workingDir: '/tmp',
      user: 'nobody',
      tty: false,
      stdin: false,
      stdout: true,
      stderr: false,
      privileged: false,
      detachKeys: '',
    })
    expect((await app.inject(`/exec/${Id}/json`)).json()).toEqual({
      ID: Id,
      Running: false,
      ExitCode: null,
      ProcessConfig: { tty: false, entrypoint: 'ls', arguments: ['-l'], privileged: false, user: 'nobody' },
      OpenStdin: false,
      OpenStderr: false,
      OpenStdout: true,
      CanRemove: false,
      ContainerID: engine.containers.get('web').id,
      DetachKeys: '',
      Pid: 0,
    })
  })

  test.each([{}, { Cmd: [] }, { Cmd: null }])('needs a command: %j', async (payload) => {
    const answer = await post('/containers/web/exec', payload)
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toEqual({ message: 'No exec command specified' })
  })

  test('that is not there is not found', async () => {
    expect((await post('/exec/none/start', {})).statusCode).toBe(404)
    expect((await app.inject('/exec/none/json')).statusCode).toBe(404)
  })

  test('resizes its terminal', async () => {
    expect((await post('/exec/any/resize?h=1&w=2', {})).statusCode).toBe(200)
    expect(engine.calls).toContainEqual({ name: 'exec-resize', args: ['any', 1, 2] })
  })

  test('that cannot run and is detached is an error', async () => {
    const { Id } = (await post('/containers/web/exec', { Cmd: ['missing'] })).json()
    const answer = await post(`/exec/${Id}/start`, { Detach: true })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toMatch('executable file not found')
  })

  test('started without an upgrade has its output as the body', async () => {
    const { Id } = (
      await post('/containers/web/exec', { Cmd: ['cat'], Tty: true, AttachStdout: true })
    ).json()
    const answer = await post(`/exec/${Id}/start`, { Tty: true })
    expect(answer.headers['content-type']).toBe('application/vnd.docker.raw-stream')
    expect(answer.body).toBe('hellobye')
  })
})

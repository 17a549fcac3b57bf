import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
afterAll(() => app.close())

const move = (name: string, payload: object) =>
  app.inject({ method: 'POST', url: `/tsnet/v1/containers/${name}/move`, payload })

test('a move tells how much of what is sent, and then the container', async () => {
  const payload = { Image: 'demo', Cmd: ['true'] }
  const created = await app.inject({ method: 'POST', url: '/containers/create?name=web', payload })
  const { Id } = created.json() as { Id: string }
  const { statusCode, body } = await move('web', { To: 'h2' })
  expect([
    statusCode,
    body
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line)),
  ]).toEqual([
    200,
    [
      { id: 'data', status: 'Sending', progressDetail: { current: 10 } },
      { aux: { Id, Name: 'web', Error: '' } },
    ],
  ])
  expect(engine.calls).toEqual([{ name: 'move', args: ['web', 'h2'] }])
})

test('a move needs a host, and a container', async () => {
  expect((await move('web', { To: '' })).json()).toEqual({
    message: 'no host to move to: give the name of one, as in tsnet node ls',
  })
  expect((await move('web', {})).statusCode).toBe(400)
  expect((await move('none', { To: 'h2' })).statusCode).toBe(404)
})

import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'

test('drivers are listed, shown by name and loaded again', async () => {
  const engine = createMemoryEngine()
  const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '1.2.3' })
  const driver = expect.objectContaining({
    Name: 'crypt',
    Kind: 'volume',
    Origin: 'file',
    Status: 'outdated',
    Users: 1,
  })
  expect((await app.inject('/tsnet/v1/drivers')).json()).toEqual({ Drivers: [driver] })
  expect((await app.inject('/tsnet/v1/drivers/crypt')).json()).toEqual([driver])
  const reloaded = await app.inject({ method: 'POST', url: '/tsnet/v1/drivers/reload' })
  expect(reloaded.json()).toEqual({ Drivers: [driver] })
})

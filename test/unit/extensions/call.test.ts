import { pino } from 'pino'
import { expect, test } from 'vitest'
import { DriverError } from '../../../src/extensions/api/error.ts'
import { Caller } from '../../../src/extensions/call.ts'

const caller = (timeout?: number): Caller => new Caller('mine', 'volume', pino({ level: 'silent' }), timeout)

test('a call that never answers is given up after its time, and its signal is aborted', async () => {
  let signal: AbortSignal | undefined
  const call = caller(20).call('mount', (context) => {
    signal = context.signal
    return new Promise(() => {})
  })
  await expect(call).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'driver mine: mount was given up: no answer within 0.02 seconds',
  })
  expect(signal?.aborted).toBe(true)
})

test('what fails after it was given up is nobody’s unhandled rejection', async () => {
  const late = Promise.withResolvers<never>()
  await expect(caller(5).call('mount', () => late.promise)).rejects.toMatchObject({ code: 'driver-timeout' })
  late.reject(new Error('too late'))
  await new Promise((resolve) => setImmediate(resolve))
})

test('a refusal keeps its kind, and anything else is internal; both carry the driver’s name', async () => {
  const refused = caller().call('create', () => {
    throw new DriverError('conflict', 'is there')
  })
  await expect(refused).rejects.toMatchObject({ kind: 'conflict', message: 'driver mine: is there' })
  const failed = caller().call('create', async () => Promise.reject(new TypeError('oops')))
  await expect(failed).rejects.toMatchObject({ kind: 'internal', message: 'driver mine: oops' })
  expect(() =>
    caller().ask('gatewayFor', () => {
      throw 'text'
    }),
  ).toThrow('driver mine: text')
})

test('a call whose caller has given up already is not made', async () => {
  let made = false
  const attach = (): void => {
    made = true
  }
  const call = caller().call('attach', attach, AbortSignal.abort())
  await expect(call).rejects.toThrow(/^driver mine: /)
  expect(made).toBe(false)
})

test('who gives up after a driver has thrown ends nothing', async () => {
  const user = new AbortController()
  const thrown = caller().call(
    'attach',
    () => {
      throw new DriverError('invalid', 'no')
    },
    user.signal,
  )
  await expect(thrown).rejects.toMatchObject({ kind: 'invalid' })
  user.abort()
  await new Promise((resolve) => setImmediate(resolve))
})

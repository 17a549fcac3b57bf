import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseChallenges } from '../../../src/images/challenge.ts'

test('reads the parameters of a Bearer challenge, commas inside quotes included', () => {
  const header =
    'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push",error="invalid_token"'
  expect(parseChallenges(header)).toEqual([
    {
      scheme: 'bearer',
      parameters: {
        realm: 'https://auth.example/token',
        service: 'registry',
        scope: 'repository:a/b:pull,push',
        error: 'invalid_token',
      },
    },
  ])
})

test('tells several challenges in one header apart', () => {
  expect(parseChallenges('Basic realm="a \\"b\\"", Bearer realm=x , service=y')).toEqual([
    { scheme: 'basic', parameters: { realm: 'a "b"' } },
    { scheme: 'bearer', parameters: { realm: 'x', service: 'y' } },
  ])
})

test('comes to an end for any header', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aB= ,"\\\t') }), (header) => {
      expect(parseChallenges(header).length).toBeLessThanOrEqual(header.length)
    }),
  )
})

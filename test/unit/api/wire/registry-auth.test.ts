import { expect, test } from 'vitest'
import { parseRegistryAuth } from '../../../../src/api/wire/registry-auth.ts'

const encode = (value: unknown, alphabet: 'base64' | 'base64url' = 'base64url'): string =>
  Buffer.from(JSON.stringify(value)).toString(alphabet)

test.each([
  [encode({ username: 'me', password: 'p>?' }), { username: 'me', password: 'p>?', identityToken: '' }],
  [
    encode({ username: 'me', password: 'p>?' }, 'base64'),
    { username: 'me', password: 'p>?', identityToken: '' },
  ],
  [
    encode({ auth: Buffer.from('me:a:b').toString('base64') }),
    { username: 'me', password: 'a:b', identityToken: '' },
  ],
  [encode({ identitytoken: 'token' }), { username: '', password: '', identityToken: 'token' }],
])('%s holds credentials', (header, auth) => {
  expect(parseRegistryAuth(header)).toEqual(auth)
})

test.each([undefined, '', 'e30=', encode({}), encode(null), encode({ username: 5 }), '%%%', encode('text')])(
  '%s holds none',
  (header) => {
    expect(parseRegistryAuth(header)).toBeNull()
  },
)

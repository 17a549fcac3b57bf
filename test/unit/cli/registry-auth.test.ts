import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { registryAuth } from '../../../src/cli/registry-auth.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-auth-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const header = (image: string) => registryAuth(image, { DOCKER_CONFIG: folder })['X-Registry-Auth']
const decode = (text: string | undefined) => JSON.parse(Buffer.from(text ?? '', 'base64url').toString())

describe('registryAuth', () => {
  test('finds the credentials of an image’s registry', () => {
    const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') })
    const auths = { 'r.example:5000': auth('me:se:cret'), 'https://index.docker.io/v1/': auth('hub:x') }
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths }))
    expect(decode(header('r.example:5000/app'))).toMatchObject({ username: 'me', password: 'se:cret' })
    expect(decode(header('me/app'))).toMatchObject({
      username: 'hub',
      serveraddress: 'https://index.docker.io/v1/',
    })
    expect(header('other.example/app')).toBeUndefined()
  })

  test('sends nothing when nobody has logged in', () => {
    expect(header('app')).toBeUndefined()
  })

  test('names a file that it cannot read', () => {
    writeFileSync(join(folder, 'config.json'), '{')
    expect(() => header('app')).toThrow(`${folder}/config.json cannot be read: `)
  })
})

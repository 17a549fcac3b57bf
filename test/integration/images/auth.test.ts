import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/images/digest.ts'
import { ImageLab, makeImage, registryHandler, TestServer, tarOf } from './lab.ts'

let lab: ImageLab
beforeEach(() => {
  lab = new ImageLab()
})
afterEach(() => lab[Symbol.dispose]())

const image = makeImage([await tarOf({ secret: 'layer' })])
const credentials = { username: 'ann', password: 'pa:ss', identityToken: '' }

interface Guarded extends AsyncDisposable {
  readonly registry: TestServer
  readonly tokens: TestServer
}

/**
 * A registry that wants a Bearer token, and the server that gives them: to anyone for pulls of `open/…`, to ann for the
 * rest. Each token is good for `uses` requests.
 */
async function guard(uses = 1000): Promise<Guarded> {
  const valid = new Map<string, { scope: string; uses: number }>()
  const tokens = await new TestServer((request, response, body) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams
    const form = new URLSearchParams(body)
    const scope = (request.method === 'POST' ? form : query).get('scope') ?? ''
    const isAnn =
      request.headers.authorization === `Basic ${Buffer.from('ann:pa:ss').toString('base64')}` ||
      form.get('refresh_token') === 'long-lived'
    if (request.headers.authorization !== undefined && !isAnn) {
      response.writeHead(401).end('{"details":"incorrect username or password"}')
      return
    }
    const token = randomBytes(16).toString('hex')
    // As real servers do: a token is given in any case, but it allows only what the caller may.
    const granted = isAnn || scope.startsWith('repository:open/') ? scope : ''
    valid.set(token, { scope: granted, uses })
    response.end(JSON.stringify(request.method === 'POST' ? { access_token: token } : { token }))
  }).start()
  const challenge = (request: IncomingMessage): string => {
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(request.url ?? '')?.[1]
    const scope = repository === undefined ? '' : `,scope="repository:${repository}:pull"`
    return `Bearer realm="http://${tokens.host}/token",service="the registry"${scope}`
  }
  const check = (request: IncomingMessage, response: ServerResponse): boolean => {
    const token = valid.get(request.headers.authorization?.replace('Bearer ', '') ?? '')
    const refuse = (extra: string, code: string): boolean => {
      response.writeHead(401, { 'www-authenticate': challenge(request) + extra })
      response.end(JSON.stringify({ errors: [{ code, message: 'authentication required' }] }))
      return true
    }
    if (token === undefined || token.uses-- <= 0) return refuse('', 'UNAUTHORIZED')
    const repository = token.scope.split(':')[1]
    const isAllowed = repository !== undefined && request.url?.startsWith(`/v2/${repository}/`) === true
    return isAllowed ? false : refuse(',error="insufficient_scope"', 'UNAUTHORIZED')
  }
  const registry = await new TestServer(registryHandler({ latest: image }, check)).start()
  return {
    registry,
    tokens,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]()
      await tokens[Symbol.asyncDispose]()
    },
  }
}

describe('a registry that wants tokens', () => {
  test('is read by anyone where it lets anyone', async () => {
    await using guarded = await guard()
    await lab.pull(`${guarded.registry.host}/open/x`)
    expect(lab.images.list()).toHaveLength(1)
    const [request] = guarded.tokens.requests
    expect(request?.path).toBe('/token?service=the+registry&scope=repository%3Aopen%2Fx%3Apull')
    expect(request?.headers.authorization).toBeUndefined()
  })

  test('gives a private image for the right credentials, which go to the token server only', async () => {
    await using guarded = await guard()
    await lab.pull(`${guarded.registry.host}/private/x`, { auth: credentials })
    expect(lab.images.list()).toHaveLength(1)
    expect(guarded.tokens.requests[0]?.path).toContain('account=ann')
    const sent = guarded.registry.requests.map(({ headers }) => headers.authorization ?? '')
    expect(sent.filter((value) => value.startsWith('Basic'))).toEqual([])
  })

  test('denies a private image to anyone else, in the words of Docker', async () => {
    await using guarded = await guard()
    const ref = `${guarded.registry.host}/private/x`
    await expect(lab.pull(ref)).rejects.toMatchObject({
      kind: 'not-found',
      message: `pull access denied for ${ref}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    })
  })

  test('refuses wrong credentials', async () => {
    await using guarded = await guard()
    const auth = { ...credentials, password: 'wrong' }
    await expect(lab.pull(`${guarded.registry.host}/private/x`, { auth })).rejects.toMatchObject({
      kind: 'unauthorized',
      message: 'unauthorized: incorrect username or password',
    })
  })

  test('takes an identity token for a refresh token', async () => {
    await using guarded = await guard()
    const auth = { username: '', password: '', identityToken: 'long-lived' }
    await lab.pull(`${guarded.registry.host}/private/x`, { auth })
    const [request] = guarded.tokens.requests
    expect(request?.method).toBe('POST')
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      grant_type: 'refresh_token',
      service: 'the registry',
      scope: 'repository:private/x:pull',
      client_id: 'tsnet',
      refresh_token: 'long-lived',
    })
  })

  test('is asked for a new token when the old one has run out', async () => {
    await using guarded = await guard(1)
    await lab.pull(`${guarded.registry.host}/open/x`)
    expect(lab.images.list()).toHaveLength(1)
    // manifest, config, layer
    expect(guarded.tokens.requests).toHaveLength(3)
  })
})

describe('a registry that wants a password', () => {
  const check = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.headers.authorization === `Basic ${Buffer.from('ann:pa:ss').toString('base64')}`) return false
    response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end()
    return true
  }

  test('gets it', async () => {
    await using server = await new TestServer(registryHandler({ latest: image }, check)).start()
    await lab.pull(`${server.host}/x`, { auth: credentials })
    expect(lab.images.get(`${server.host}/x`).id).toBe(digestOf(image.config))
  })

  test('is not read without one, nor with a wrong one', async () => {
    await using server = await new TestServer(registryHandler({ latest: image }, check)).start()
    await expect(lab.pull(`${server.host}/x`)).rejects.toMatchObject({
      kind: 'unauthorized',
      message: 'no basic auth credentials',
    })
    const auth = { ...credentials, password: 'wrong' }
    await expect(lab.pull(`${server.host}/x`, { auth })).rejects.toMatchObject({
      kind: 'unauthorized',
      message: 'unauthorized: authentication required',
    })
  })
})

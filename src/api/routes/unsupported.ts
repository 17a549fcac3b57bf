/** What Docker's API has beside: asked for, it is refused with a sentence instead of the 404 of an unknown page. */
import type { HTTPMethods } from 'fastify'
import { TsnetError } from '../../errors.ts'
import { type App, takeStreams } from '../app.ts'

const everyMethod: HTTPMethods[] = ['GET', 'POST', 'PUT', 'DELETE']

const pages: readonly (readonly [method: HTTPMethods | HTTPMethods[], url: string, what: string])[] = [
  ['POST', '/auth', 'logging in to a registry'],
  ['POST', '/build', 'building images'],
  ['POST', '/build/prune', 'building images'],
  ['POST', '/commit', 'making images from containers'],
  ['GET', '/containers/:name/attach/ws', 'attaching by WebSocket'],
  [['GET', 'HEAD', 'PUT'], '/containers/:name/archive', 'copying files'],
  ['GET', '/containers/:name/changes', 'listing changed files'],
  ['GET', '/containers/:name/export', 'exporting containers'],
  ['POST', '/containers/:name/pause', 'pausing containers'],
  ['GET', '/containers/:name/stats', 'sampling statistics'],
  ['GET', '/containers/:name/top', 'listing processes'],
  ['POST', '/containers/:name/unpause', 'pausing containers'],
  [['GET', 'POST', 'DELETE'], '/containers/:name/checkpoints', 'checkpointing'],
  ['POST', '/containers/prune', 'pruning'],
  ['GET', '/distribution/*', 'asking registries'],
  ['POST', '/grpc', 'building images'],
  ['GET', '/images/search', 'searching registries'],
  ['POST', '/images/prune', 'pruning'],
  [everyMethod, '/plugins', 'plugin management'],
  [everyMethod, '/plugins/*', 'plugin management'],
  ['POST', '/session', 'building images'],
  ['PUT', '/volumes/:name', 'updating cluster volumes'],
  ...['configs', 'nodes', 'secrets', 'services', 'swarm', 'tasks'].flatMap((resource) => [
    [everyMethod, `/${resource}`, 'swarm mode'] as const,
    [everyMethod, `/${resource}/*`, 'swarm mode'] as const,
  ]),
]

export function unsupportedRoutes(app: App): void {
  app.register(async (scope) => {
    // The answer is known without the body, of whatever type it is.
    takeStreams(scope)
    for (const [method, url, what] of pages) {
      scope.route({
        method,
        url,
        handler: async () => {
          // Clients that look everywhere for a name go on at the words "not supported".
          throw new TsnetError('unsupported', 'unsupported-page', `${what} is not supported by tsnet`)
        },
      })
    }
  })
}

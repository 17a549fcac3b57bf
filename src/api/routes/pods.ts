/**
 * tsnet's own: a call of its CNI plugin, in one request. The answer's body is what the plugin prints, and its status says whether the
 * plugin succeeds; so the plugin has next to nothing to do.
 */
import { formatFailure } from '../../cni/failure.ts'
import type { JsonObject } from '../../cni/network-list.ts'
import type { App } from '../app.ts'
import { answerTo } from '../errors.ts'
import { PodCallBody } from '../schema/pod.ts'

export interface PodBackend {
  /** Returns what is to be printed, null for nothing. */
  call(call: {
    readonly command: string
    readonly containerId: string
    readonly netns: string
    readonly interfaceName: string
    readonly args: string
    readonly config: JsonObject
  }): Promise<object | null>
}

export function podRoutes(app: App, pods: PodBackend): void {
  app.post('/tsnet/v1/cni', { schema: { body: PodCallBody } }, async ({ body }, reply) => {
    const config = body.Config
    try {
      const printed = await pods.call({
        command: body.Command ?? '',
        containerId: body.ContainerID ?? '',
        netns: body.Netns ?? '',
        interfaceName: body.IfName ?? '',
        args: body.Args ?? '',
        config,
      })
      return reply.send(printed ?? undefined)
    } catch (error) {
      return reply.code(answerTo(error).status).send(formatFailure(String(config['cniVersion'] ?? ''), error))
    }
  })
}

/** The service that examples/http-ipam.ts asks, kept in memory. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

type Answer = readonly [status: number, body?: object]

export function serveIpam(): RequestListener {
  const pools = new Map<string, Map<string, string>>()
  const answer = (method: string, path: readonly string[], body: Record<string, string>): Answer => {
    const [, , subnet = '', , address = ''] = path
    if (method === 'POST' && path.length === 2) return takePool(pools, body['subnet'] ?? '')
    const leases = pools.get(subnet)
    if (leases === undefined) return [404]
    if (method === 'POST') return lease(subnet, leases, body['owner'] ?? '', body['address'] ?? '')
    if (path.length === 3) pools.delete(subnet)
    else if (leases.get(address) === body['owner']) leases.delete(address)
    return [204]
  }
  return (request, response) => void reply(request, response, answer)
}

async function reply(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (method: string, path: readonly string[], body: Record<string, string>) => Answer,
): Promise<void> {
  let text = ''
  for await (const chunk of request) text += chunk
  const path = (request.url ?? '').split('/').map(decodeURIComponent)
  const [status, body] = answer(request.method ?? '', path, JSON.parse(text || '{}'))
  response.writeHead(status)
  response.end(body === undefined ? '' : JSON.stringify(body))
}

function takePool(pools: Map<string, Map<string, string>>, wanted: string): Answer {
  let number = 0
  while (pools.has(`10.202.${number}.0/24`)) number++
  const subnet = wanted || `10.202.${number}.0/24`
  if (pools.has(subnet)) return [409]
  pools.set(subnet, new Map())
  return [200, { subnet, gateway: subnet.replace('.0/24', '.1') }]
}

function lease(subnet: string, leases: Map<string, string>, owner: string, wanted: string): Answer {
  const all = Array.from({ length: 252 }, (_, index) => subnet.replace('.0/24', `.${index + 2}`))
  const address = wanted || all.find((one) => !leases.has(one))
  if (address === undefined) return [507]
  if ((leases.get(address) ?? owner) !== owner) return [409]
  leases.set(address, owner)
  return [200, { address }]
}

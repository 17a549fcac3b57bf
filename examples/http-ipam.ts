/**
 * Addresses from a service of your own, which keeps them for all hosts. It is asked by JSON over HTTP:
 *
 *     POST   /pools                          {"network", "family", "subnet"} → {"subnet", "gateway"}
 *     DELETE /pools/SUBNET
 *     POST   /pools/SUBNET/leases            {"owner", "address"} → {"address"}; 409 when it is taken, 507 when none is left
 *     DELETE /pools/SUBNET/leases/ADDRESS    {"owner"}
 *
 * Where it is says the variable IPAM_URL of the daemon's environment, or the file http-ipam.url beside this one.
 *
 *     docker network create --ipam-driver http-ipam --ipam-opt site=north apps
 */
import { readFileSync } from 'node:fs'
import { DriverError, defineDriver, type Pool, Type } from 'tsnet/driver'

export default defineDriver({
  apiVersion: 1,
  description: 'Addresses from a service over HTTP',
  timeout: 5000,
  ipam: {
    options: Type.Object({ site: Type.String({ default: '' }) }),

    async requestPool({ network, family, subnet, gateway, options }, { signal }) {
      const wanted = { network, family, subnet, ...options }
      const pool = (await ask('POST', '/pools', wanted, signal)) as Pick<Pool, 'subnet' | 'gateway'>
      return { subnet: pool.subnet, gateway: gateway === null ? '' : gateway || pool.gateway }
    },

    async releasePool({ subnet }, { signal }) {
      await ask('DELETE', poolPath(subnet), {}, signal)
    },

    async lease({ subnet }, { owner, address, preferred }, { signal }) {
      // Another one will do when the preferred one is taken.
      const wishes = address !== '' ? [address] : preferred === '' ? [''] : [preferred, '']
      for (const wish of wishes) {
        const lease = await ask('POST', `${poolPath(subnet)}/leases`, { owner, address: wish }, signal)
        if (lease !== null) return (lease as { address: string }).address
      }
      if (address !== '') throw new DriverError('conflict', `Address already in use: ${address}`)
      return null
    },

    async release({ subnet }, { owner, address }, { signal }) {
      await ask('DELETE', `${poolPath(subnet)}/leases/${encodeURIComponent(address)}`, { owner }, signal)
    },
  },
})

const poolPath = (subnet: string): string => `/pools/${encodeURIComponent(subnet)}`

/** The answer; null when what was asked for is not to be had, or is gone. */
async function ask(method: string, path: string, body: object, signal: AbortSignal): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(serviceUrl() + path, { method, headers, body: JSON.stringify(body), signal })
  if ([404, 409, 507].includes(response.status)) return null
  const text = await response.text()
  if (!response.ok) throw new DriverError('unavailable', `${method} ${path}: ${response.status} ${text}`)
  return text === '' ? {} : JSON.parse(text)
}

function serviceUrl(): string {
  const url = process.env['IPAM_URL'] ?? readFileSync(new URL('http-ipam.url', import.meta.url), 'utf8')
  return url.trim().replace(/\/$/, '')
}

/** A link of the test's namespace that leads to a router in another one: what macvlan and ipvlan networks stand on. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inNetns } from '../../src/sys/netns.ts'
import { ip, Place } from './firewall-lab.ts'

export interface Wire extends Disposable {
  /** The link's name. */
  readonly parent: string
  readonly router: Place
  /** Whether one ping from the router is answered within a second. */
  reaches(address: string): boolean
}

/** Whether one ping from the test's own namespace is answered within a second. */
export function hostReaches(address: string): boolean {
  try {
    execFileSync('busybox', ['ping', '-c', '1', '-W', '1', address], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The router has the addresses 10.91.0.1/24 and fd00:91::1/64. */
export function layWire(parent = 'up0'): Wire {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-wire-'))
  const router = new Place('router', directory)
  ip(`link add ${parent} type veth peer name ${parent}-far`)
  ip(`link set ${parent}-far netns ${router.path} name wire`)
  ip(`link set ${parent} up`)
  router.ip('addr add 10.91.0.1/24 dev wire')
  router.ip('addr add fd00:91::1/64 dev wire nodad')
  router.ip('link set wire up')
  return {
    parent,
    router,
    reaches: (address) => inNetns(router.netns, (() => hostReaches(address)) as () => never),
    [Symbol.dispose]: () => {
      ip(`link del ${parent}`)
      router.close()
      rmSync(directory, { recursive: true })
    },
  }
}

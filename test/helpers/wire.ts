/** A link of the test's namespace that leads to a router in another one: what macvlan and ipvlan networks stand on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ip, Place } from './firewall-lab.ts'

export interface Wire extends Disposable {
  /** The link's name. */
  readonly parent: string
  readonly router: Place
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
    [Symbol.dispose]: () => {
      ip(`link del ${parent}`)
      router.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** tsnet's CNI plugin without a daemon: one call after the other, each with all that it needs from files and from the kernel. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { formatFailure } from '../cni/failure.ts'
import { createBridgeDriver } from '../drivers/bridge/index.ts'
import { createMacvlanDrivers } from '../drivers/macvlan/index.ts'
import { Locks } from '../engine/locks.ts'
import type { PodCall } from '../engine/pods/config.ts'
import { openFiles } from '../engine/pods/files.ts'
import { podId } from '../engine/pods/plan.ts'
import { Pods } from '../engine/pods/pods.ts'
import { createFirewall } from '../firewall/firewall.ts'
import type { Rule } from '../firewall/rules.ts'
import { createLocalIpam } from '../ipam/local.ts'
import { createLogger } from '../log.ts'
import { findLink } from '../netlink/link.ts'
import { removeLink } from '../netlink/link-removal.ts'
import { listAllRoutes } from '../netlink/route.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import { createPorts } from '../ports/ports.ts'
import type { PodNetwork, PodRecord } from '../store/pod-records.ts'
import { lockFile } from '../sys/lock-file.ts'
import { warmThreadPool } from '../sys/netns.ts'
import { hostVethName } from '../values/interface-name.ts'

/** Of whatever is made without a daemon; a daemon's own mark is another. */
const instance = 'alone'

export async function answerAlone(
  state: string,
  call: PodCall,
): Promise<{ readonly isSuccess: boolean; readonly printed: object | null }> {
  try {
    return { isSuccess: true, printed: await callAlone(state, call) }
  } catch (error) {
    const version = String(call.config['cniVersion'] ?? '')
    return { isSuccess: false, printed: formatFailure(version, error) }
  }
}

async function callAlone(state: string, call: PodCall): Promise<object | null> {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  using _lock = lockFile(join(state, 'lock'))
  await warmThreadPool()
  // Standard output is the runtime's.
  const log = createLogger('error')
  const store = {
    pods: openFiles<PodRecord>(join(state, 'pods')),
    podNetworks: openFiles<PodNetwork>(join(state, 'networks')),
  }
  if (call.command === 'DEL' && !store.pods.has(podId(call))) return removeDaemons(call)
  const rules = new Map<string, readonly Rule[]>()
  const firewall = createFirewall({ backend: 'auto', instance, log })
  const pods = new Pods({
    ...{ store, log, rules, firewall },
    locks: new Locks(),
    mark: `tsnet-${instance}`,
    drivers: [createBridgeDriver(), ...createMacvlanDrivers()],
    ipam: createLocalIpam({ installationId: state, usedRoutes: hostRoutes, describeOwner: (id) => id }),
    ports: createPorts({ log, proxy: false }),
    linger: 0,
    engine: null,
  })
  await pods.restore()
  await firewall.replaceAll([...rules.values()].flat())
  try {
    return await pods.call(call)
  } finally {
    await pods.close()
    if (store.podNetworks.size === 0) await firewall.clear()
    firewall.close()
  }
}

/** What a daemon has made that does not run: it finds the interface gone when it starts, and forgets the rest. */
async function removeDaemons(call: PodCall): Promise<null> {
  const id = podId(call)
  using socket = openRouteSocket()
  const link = findLink(socket, hostVethName(id))
  if (link?.alias.endsWith(`:${id}`)) await removeLink(link.index)
  return null
}

function hostRoutes(): string[] {
  using socket = openRouteSocket()
  return listAllRoutes(socket).map((route) => route.destination)
}

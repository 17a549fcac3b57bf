/**
 * The leases of the address plugin host-local: in a folder of the network's name a file each, called by the address, with container and
 * interface on a line each. The plugin itself never looks whether their owners live.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isIp } from '../values/ip.ts'
import { isObject, type NetworkList } from './network-list.ts'

const defaultDirectory = '/var/lib/cni/networks'

/** Removes a network's leases whose owner is stale. Returns their addresses. */
export function sweepHostLocal(
  list: NetworkList,
  isStale: (containerId: string, interfaceName: string) => boolean,
): string[] {
  return leaseDirectories(list).flatMap((directory) => {
    const stale = leaseFiles(directory).filter((file) => {
      const [containerId = '', interfaceName = ''] = readOwner(join(directory, file))
      return containerId !== '' && isStale(containerId, interfaceName)
    })
    for (const file of stale) rmSync(join(directory, file), { force: true })
    return stale
  })
}

function leaseDirectories({ name, plugins }: NetworkList): string[] {
  const roots = plugins.flatMap(({ ipam }) => {
    if (!isObject(ipam) || ipam['type'] !== 'host-local') return []
    return [
      typeof ipam['dataDir'] === 'string' && ipam['dataDir'] !== '' ? ipam['dataDir'] : defaultDirectory,
    ]
  })
  return [...new Set(roots)].map((root) => join(root, name))
}

/** Beside leases there are a lock and the address that was given out last. */
function leaseFiles(directory: string): string[] {
  try {
    return readdirSync(directory).filter(isIp)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readOwner(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trim().split(/\r?\n/)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

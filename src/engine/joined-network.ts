/**
 * Containers in the network namespace of another, network mode `container:ID`: they have no endpoints, and use the other's
 * host name and files. When that one is started again while they run, it comes back into their namespace.
 */
import { existsSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import type { ContainerFile } from '../sandbox/container-files.ts'
import type { ContainerRecord } from '../store/records.ts'
import { isOwnNetns } from '../sys/netns.ts'
import type { Parts } from './parts.ts'
import { findContainer } from './references.ts'

const prefix = 'container:'

export function joinsNetwork({ spec }: ContainerRecord): boolean {
  return spec.networkMode.startsWith(prefix)
}

/** The mode with the other container's full id, as far as that is there already. */
export function resolveNetworkMode(parts: Parts, mode: string): string {
  if (!mode.startsWith(prefix)) return mode
  const ref = mode.slice(prefix.length)
  try {
    return `${prefix}${findContainer(parts.store.containers, ref).id}`
  } catch (error) {
    if (error instanceof TsnetError && error.kind === 'not-found') return mode
    throw error
  }
}

/** The running container whose namespace is to be used. Throws kind 'not-found' or 'conflict' with Docker's sentences. */
export function joinedContainer(parts: Parts, container: ContainerRecord): ContainerRecord {
  const target = findContainer(parts.store.containers, container.spec.networkMode.slice(prefix.length))
  if (target.id === container.id) {
    throw new TsnetError('invalid', 'joins-itself', 'cannot join own network')
  }
  // Its end may not have been recorded yet.
  if (target.state.status === 'running' && existsSync(netnsPath(target))) return target
  throw new TsnetError(
    'conflict',
    'joined-not-running',
    `cannot join network of a non running container: ${target.id}`,
  )
}

/** Path of the namespace to join. Throws kind 'invalid' when settings meant for a container's own namespace would change the host. */
export function netnsOfJoined(container: ContainerRecord, target: ContainerRecord): string {
  const path = netnsPath(target)
  if (isOwnNetns(path) && Object.keys(container.spec.sysctls).some((name) => name.startsWith('net.'))) {
    throw new TsnetError(
      'invalid',
      'bad-container',
      `sysctls of net.* are not allowed: container ${target.name} is on the host's network, they would change the host`,
    )
  }
  return path
}

function netnsPath(container: ContainerRecord): string {
  return `/proc/${container.state.pid}/ns/net`
}

/** The container as it starts: it goes by the other's host name. */
export function asJoined(container: ContainerRecord, target: ContainerRecord): ContainerRecord {
  const own = `HOSTNAME=${container.hostname}`
  return {
    ...container,
    hostname: target.hostname,
    env: container.env.map((entry) => (entry === own ? `HOSTNAME=${target.hostname}` : entry)),
    spec: { ...container.spec, domainname: target.spec.domainname },
  }
}

/** The container whose files those that join each other show: the one at the end that has a network of its own. */
function fileOwner(parts: Parts, container: ContainerRecord): ContainerRecord {
  let owner = container
  while (joinsNetwork(owner)) {
    const next = parts.store.containers.get(owner.spec.networkMode.slice(prefix.length))
    if (next === undefined) break
    owner = next
  }
  return owner
}

/** `files` with those that tell about the network taken from the container which has it. */
export function filesOfJoined(
  parts: Parts,
  container: ContainerRecord,
  files: readonly ContainerFile[],
): ContainerFile[] {
  const owner = fileOwner(parts, container)
  const own = `/containers/${container.id}/`
  return files.map((file) =>
    file.target.startsWith('/etc/')
      ? { ...file, source: file.source.replace(own, `/containers/${owner.id}/`) }
      : file,
  )
}

/** The namespace in which containers that have joined this one go on; null when there are none. */
export function survivingNetns(parts: Parts, container: ContainerRecord): string | null {
  const joined = parts.store.containers
    .values()
    .find(
      ({ state, spec }) =>
        state.status === 'running' && spec.networkMode === `${prefix}${container.id}` && state.pid > 0,
    )
  return joined === undefined ? null : netnsPath(joined)
}

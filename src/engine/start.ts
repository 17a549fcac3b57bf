/** From a container's record to its running program: one journal entry, one undo stack, the stops of the walk in order. */

import { TsnetError } from '../errors.ts'
import { inverse } from '../firewall/rules.ts'
import { prepareRootfs } from '../images/rootfs.ts'
import { writeContainerFiles } from '../sandbox/container-files.ts'
import { openSandbox, removeSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import { resolveCapabilities } from '../sys/caps.ts'
import { createCgroup, removeCgroup } from '../sys/cgroup.ts'
import { buildSeccompFilter } from '../sys/seccomp-filter.ts'
import type { ContainerId } from '../values/id.ts'
import { randomMac } from '../values/mac.ts'
import { boundPath } from './bound-paths.ts'
import { claimNames } from './cluster-names.ts'
import { type BoundPath, compileContainer, plainBind } from './compile.ts'
import { containerTexts } from './container-texts.ts'
import { portsToldTo, reserveForDriver } from './driver-ports.ts'
import { egressRules, isRestricted } from './egress-policy.ts'
import {
  attachEndpoint,
  chooseDefaultRoutes,
  nameEndpoint,
  networkOf,
  ownsSandbox,
  usesNames,
} from './endpoints.ts'
import { interfaceNameOf } from './interface-names.ts'
import {
  asJoined,
  filesOfJoined,
  joinedContainer,
  joinsNetwork,
  netnsOfJoined,
  survivingNetns,
} from './joined-network.ts'
import { refuseDeadLinks } from './linked-hosts.ts'
import { tellMoves } from './network-events.ts'
import type { Parts } from './parts.ts'
import { forgetFlows, portRules, reservePublished } from './published.ts'
import { refreshLinking } from './refresh-files.ts'
import { resolverOptions } from './resolver-options.ts'
import { mountVolumes } from './volume-mounts.ts'

/** What one start has made so far; each stop reads what the former ones left. */
interface Progress {
  readonly parts: Parts
  readonly undo: AsyncDisposableStack
  container: ContainerRecord
  sandbox: Sandbox | null
  /** Path of the network namespace, '' for the host's. */
  netns: string
  binds: readonly BoundPath[]
}

/**
 * Starts a container that does not run. Throws what went wrong after everything done so far has been undone; the record
 * then says why.
 */
export async function startContainer(parts: Parts, id: ContainerId): Promise<void> {
  const container = parts.store.containers.get(id)
  if (container === undefined)
    throw new TsnetError('not-found', 'no-such-container', `No such container: ${id}`)
  if (container.state.status === 'running')
    throw new TsnetError('unchanged', 'already-running', `container ${container.name} is already running`)
  if (container.state.status === 'removing') {
    throw new TsnetError(
      'conflict',
      'marked-for-removal',
      `container is marked for removal and cannot be started: ${container.name}`,
    )
  }
  refuseDeadLinks(parts, container)
  const entry = parts.store.journal.begin('start', id)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => parts.store.journal.clear(entry))
  const progress: Progress = { parts, undo, container, sandbox: null, netns: '', binds: [] }
  for (const [name, stop] of walk) {
    parts.store.journal.step(entry, name)
    await stop(progress)
  }
  parts.store.transaction(() => {
    parts.store.containers.put(id, progress.container)
    parts.store.journal.clear(entry)
  })
  undo.move()
  progress.sandbox?.[Symbol.dispose]()
  refreshLinking(parts, progress.container)
  tellMoves(parts, 'connect', container)
  parts.events.emit('container', 'start', id, { name: container.name, image: container.spec.image })
}

const walk: readonly (readonly [name: string, stop: (progress: Progress) => Promise<void>])[] = [
  ['volumes', gatherMounts],
  ['sandbox', makeSandbox],
  ['endpoints', attachEndpoints],
  ['ports', reservePorts],
  ['rules', applyRules],
  ['names', serveNames],
  ['files', writeFiles],
  ['program', runProgram],
]

async function gatherMounts(progress: Progress): Promise<void> {
  const { parts, undo, container } = progress
  const paths = await mountVolumes(parts, undo, container)
  const binds: BoundPath[] = []
  for (const mount of container.mounts) {
    if (mount.type === 'tmpfs') continue
    const source = mount.type === 'volume' ? (paths.get(mount.name) ?? '') : mount.source
    binds.push(await boundPath(parts, container, mount, source))
  }
  progress.binds = binds
}

async function makeSandbox(progress: Progress): Promise<void> {
  const { parts, undo, container } = progress
  if (joinsNetwork(container)) {
    const target = joinedContainer(parts, container)
    progress.netns = netnsOfJoined(container, target)
    progress.container = asJoined(container, target)
  }
  if (!ownsSandbox(parts, container)) return
  undo.defer(() => removeSandbox(parts.execRoot, container.id))
  const surviving = survivingNetns(parts, container)
  const sandbox = openSandbox({ execRoot: parts.execRoot, id: container.id, surviving })
  progress.sandbox = undo.use(sandbox)
  progress.netns = sandbox.path
}

async function attachEndpoints(progress: Progress): Promise<void> {
  const { parts, undo, sandbox } = progress
  if (sandbox === null) return
  const container = await restrict(progress)
  await claimNames(parts, undo, container.id, container.endpoints)
  const defaults = chooseDefaultRoutes(parts, container.endpoints)
  const endpoints: EndpointRecord[] = []
  undo.defer(() => parts.ports.release(container.id))
  const led = await reserveForDriver(parts, container, defaults)
  for (const [index, endpoint] of container.endpoints.entries()) {
    const others = [...endpoints, ...container.endpoints.slice(index + 1)]
    const interfaceName = interfaceNameOf(networkOf(parts, endpoint), endpoint, others)
    const ports = portsToldTo(parts, container, endpoint, led)
    const plan = { interfaceName, defaults, onlyOwnMac: isRestricted(container), ports }
    endpoints.push(await attachEndpoint(parts, undo, sandbox, endpoint, plan))
  }
  progress.container = { ...container, endpoints, published: led.published }
}

/** The rules of an egress policy stand before the interfaces: others may be in the namespace already. */
async function restrict({ parts, undo, container }: Progress): Promise<ContainerRecord> {
  if (!isRestricted(container)) return container
  const endpoints = container.endpoints.map((endpoint) => ({
    ...endpoint,
    mac: endpoint.request.mac ?? (endpoint.mac || randomMac()),
  }))
  const restricted = { ...container, endpoints }
  const batch = { add: egressRules(parts, restricted), remove: [] }
  undo.defer(() => parts.firewall.apply(inverse(batch)))
  await parts.firewall.apply(batch)
  return restricted
}

async function reservePorts(progress: Progress): Promise<void> {
  const { parts, container } = progress
  const published = [...container.published, ...(await reservePublished(parts, container))]
  progress.container = { ...container, published }
}

async function applyRules(progress: Progress): Promise<void> {
  const { parts, undo, container } = progress
  const batch = { add: portRules(parts, container), remove: [] }
  undo.defer(() => parts.egress.close(container.id))
  parts.egress.open(container)
  if (batch.add.length === 0) return
  undo.defer(() => parts.firewall.apply(inverse(batch)))
  await parts.firewall.apply(batch)
  forgetFlows(parts, container.published)
}

async function serveNames(progress: Progress): Promise<void> {
  const { parts, undo, sandbox, container } = progress
  if (sandbox === null || !usesNames(parts, container)) return
  undo.defer(() => parts.names.close(container.id))
  await parts.names.open(sandbox, resolverOptions(parts, container))
  for (const endpoint of container.endpoints) {
    undo.defer(() => parts.names.removeEndpoint(endpoint.network, endpoint.id))
    nameEndpoint(parts, endpoint)
  }
}

async function writeFiles(progress: Progress): Promise<void> {
  const { parts, container, sandbox } = progress
  const ownNames = sandbox !== null && usesNames(parts, container)
  const files = await writeContainerFiles(
    parts.dataRoot,
    container.id,
    containerTexts(parts, container, sandbox !== null, ownNames),
  )
  const covered = new Set(progress.binds.map((bind) => bind.target))
  const shown = joinsNetwork(container) ? filesOfJoined(parts, container, files) : files
  const binds = shown
    .filter((file) => !covered.has(file.target))
    .map((file) => plainBind(file.source, file.target, file.readOnly || container.spec.readOnlyRootfs))
  progress.binds = [...progress.binds, ...binds]
}

async function runProgram(progress: Progress): Promise<void> {
  const { parts, undo, container } = progress
  const { id, spec } = container
  undo.defer(() => removeCgroup(parts.mark, id))
  const cgroup = createCgroup(parts.mark, id, spec.resources)
  const image = parts.store.images.get(container.image)
  if (image === undefined) throw new TsnetError('not-found', 'no-such-image', `No such image: ${spec.image}`)
  const plan = compileContainer({
    container,
    rootfs: await prepareRootfs(parts.dataRoot, id, image.layers),
    netns: progress.netns,
    binds: progress.binds,
    cgroup: { procs: cgroup.joinFiles, mounts: cgroupMounts(cgroup.directories, parts.mark, id) },
    seccomp: seccompOf(container),
  })
  const [rows, columns] = spec.consoleSize
  const { pid } = await parts.supervisor.call('start', {
    id,
    plan,
    rows,
    columns,
    stdio: { tty: spec.tty, stdin: spec.openStdin, stdinOnce: spec.stdinOnce, log: logPath(parts, id) },
  })
  progress.container = {
    ...container,
    state: {
      status: 'running',
      pid,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: new Date().toISOString(),
      finishedAt: container.state.finishedAt,
    },
  }
}

/** The container sees its own cgroups where the host has the controllers' roots. */
function cgroupMounts(
  directories: readonly string[],
  parent: string,
  id: string,
): { source: string; target: string }[] {
  const below = `/${parent}/${id}`
  return directories.map((source) => ({ source, target: source.slice(0, -below.length) }))
}

/** The compiled filter in base64, '' when the container is unconfined. */
export function seccompOf(container: ContainerRecord): string {
  const { seccomp, capAdd, capDrop } = container.spec
  if (seccomp === 'unconfined') return ''
  return buildSeccompFilter(seccomp, resolveCapabilities({ add: capAdd, drop: capDrop })).toString('base64')
}

export function logPath(parts: Pick<Parts, 'dataRoot'>, id: ContainerId): string {
  return `${parts.dataRoot}/containers/${id}/${id}-json.log`
}

/** A pod's namespace, which is the runtime's, and what stands in it. */
import { isObject } from '../../cni/network-list.ts'
import { TsnetError } from '../../errors.ts'
import { listAddresses } from '../../netlink/address.ts'
import { findLink } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { PodRecord } from '../../store/pod-records.ts'
import { isNetns, isOwnNetns, openNetns } from '../../sys/netns.ts'
import { listOf, type PodCall } from './config.ts'

/** The runtime's own namespace. Throws kind 'invalid' for the host's, and for what is none. */
export function openPod({ containerId, netns: path }: Pick<PodCall, 'containerId' | 'netns'>): Sandbox {
  try {
    if (isOwnNetns(path)) throw new Error('it is the namespace of the host')
    const netns = openNetns(path)
    if (isNetns(netns)) return { id: containerId, path, netns, [Symbol.dispose]: () => netns.close() }
    netns.close()
    throw new Error('it is no network namespace')
  } catch (error) {
    const why = (error as Error).message
    throw new TsnetError('invalid', 'cni-netns', `CNI_NETNS ${JSON.stringify(path)}: ${why}`)
  }
}

/** Null when the namespace is gone. */
export function findPod(pod: PodRecord): Sandbox | null {
  try {
    return openPod(pod)
  } catch {
    return null
  }
}

export function isStanding(pod: PodRecord): boolean {
  if (pod.result === null) return false
  using sandbox = findPod(pod)
  if (sandbox === null) return false
  using socket = openRouteSocket(sandbox.netns)
  return findLink(socket, pod.endpoint.interfaceName) !== null
}

/** Throws kind 'conflict' when a pod is not as it was attached. */
export function checkPod({ containerId, interfaceName, config }: PodCall, pod: PodRecord | undefined): void {
  const fault = faultOf(interfaceName, pod) || strangeAddress(config['prevResult'], pod)
  if (fault !== '') throw new TsnetError('conflict', 'cni-check', `container ${containerId}: ${fault}`)
}

/** '' for none */
function faultOf(interfaceName: string, pod: PodRecord | undefined): string {
  if (pod === undefined || pod.result === null) return `nothing is attached as ${interfaceName}`
  using sandbox = findPod(pod)
  if (sandbox === null) return `its namespace ${pod.netns} is gone`
  using socket = openRouteSocket(sandbox.netns)
  const link = findLink(socket, interfaceName)
  if (link === null) return `its interface ${interfaceName} is gone`
  const present = listAddresses(socket, link.index).map(({ cidr }) => cidr)
  const missing = pod.result.ips.find(({ address }) => !present.includes(address))
  return missing === undefined ? '' : `its interface ${interfaceName} has lost ${missing.address}`
}

/** An address that the runtime believes it has and has not, '' for none. */
function strangeAddress(told: unknown, pod: PodRecord | undefined): string {
  if (!isObject(told)) return ''
  const known = pod?.result?.ips.map(({ address }): unknown => address) ?? []
  const strange = listOf(told, 'ips').find((ip) => isObject(ip) && !known.includes(ip['address']))
  return strange === undefined ? '' : `${JSON.stringify(strange)} was never given to it`
}

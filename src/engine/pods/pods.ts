/**
 * Sandboxes of other container runtimes, which call tsnet as their CNI plugin. Each interface is recorded before it is begun and
 * forgotten after it is gone, so that whoever is killed in between leaves nothing.
 */
import { isObject } from '../../cni/network-list.ts'
import { type CniResult, formatResult } from '../../cni/result.ts'
import { TsnetError } from '../../errors.ts'
import { findLink } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { PodRecord } from '../../store/pod-records.ts'
import type { EndpointRecord } from '../../store/records.ts'
import type { EndpointId } from '../../values/id.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import {
  listOf,
  type PodCall,
  type PodConfig,
  type PodWishes,
  parsePodConfig,
  parseWishes,
} from './config.ts'
import { watchPodLinks } from './healing.ts'
import { PodNetworks } from './networks.ts'
import type { PodParts } from './parts.ts'
import { addRoutes, bare, planPod, podId, poolFor, resultOf, specOf } from './plan.ts'
import { PodPorts } from './ports.ts'
import { checkPod, findPod, isStanding, openPod } from './sandbox.ts'

export class Pods {
  readonly #parts: PodParts
  readonly #networks: PodNetworks
  readonly #ports: PodPorts
  #watch: Disposable | null = null

  constructor(parts: PodParts) {
    this.#parts = parts
    this.#networks = new PodNetworks(parts)
    this.#ports = new PodPorts(parts)
  }

  /** Returns what is to be printed, null for nothing. Throws what is to be told. */
  async call(call: PodCall): Promise<object | null> {
    const config = parsePodConfig(call.config)
    switch (call.command) {
      case 'ADD':
        return formatResult(config.version, await this.#add(call, config))
      case 'DEL':
        await this.#delete(call)
        return null
      case 'CHECK':
        checkCall(call)
        checkPod(call, this.#parts.store.pods.get(podId(call)))
        return null
      case 'GC':
        await this.#collect(call, config)
        return null
      case 'STATUS':
        if (this.#isOwn(config)) this.#networks.driver(config.driver)
        return null
      default:
        throw new TsnetError('invalid', 'cni-command', `CNI_COMMAND ${call.command} is none that is known`)
    }
  }

  /** Whether the configuration alone describes the network. */
  #isOwn({ network, driver }: PodConfig): boolean {
    if (network === '' && this.#parts.drivers.some(({ name }) => name === driver)) return true
    if (this.#parts.engine !== null) return false
    if (network === '') return true
    throw new TsnetError(
      'unavailable',
      'cni-no-daemon',
      `network ${network} is one of tsnet's daemon, which does not answer: start it`,
    )
  }

  #add(call: PodCall, config: PodConfig): Promise<CniResult> {
    checkCall(call)
    const id = podId(call)
    return this.#parts.locks.run(`pod ${id}`, async () => {
      using sandbox = openPod(call)
      await this.#clearWay(id, call, sandbox)
      const wishes = parseWishes(call)
      await using undo = new AsyncDisposableStack()
      undo.defer(() => this.#release(id))
      const pod = this.#isOwn(config)
        ? await this.#attachOwn(call, config, wishes, sandbox)
        : await this.#attachToEngine(undo, call, config, wishes, sandbox)
      addRoutes(sandbox, pod, config)
      const result = resultOf(call, config, pod)
      this.#parts.store.pods.put(id, { ...pod, result })
      undo.move()
      return result
    })
  }

  /** What was cut short, or lost with its namespace, is taken back first. */
  async #clearWay(id: EndpointId, call: PodCall, sandbox: Sandbox): Promise<void> {
    const known = this.#parts.store.pods.get(id)
    using socket = openRouteSocket(sandbox.netns)
    const isThere = findLink(socket, call.interfaceName) !== null
    if (isThere && known?.result !== null) {
      throw new TsnetError(
        'conflict',
        'interface-taken',
        `container ${call.containerId}: there is an interface ${call.interfaceName} in ${call.netns} already: remove it first`,
      )
    }
    if (known !== undefined) await this.#release(id)
  }

  async #attachOwn(
    call: PodCall,
    config: PodConfig,
    wishes: PodWishes,
    sandbox: Sandbox,
  ): Promise<PodRecord> {
    const { store, ipam } = this.#parts
    const driver = this.#networks.driver(config.driver)
    let pod!: PodRecord
    const network = await this.#networks.enter(config, (entered) => {
      pod = { ...planPod(call, config, wishes, entered), isEngines: false }
      store.pods.put(pod.id, pod)
    })
    driver.checkEndpoint(network, { mac: wishes.mac, options: wishes.options })
    const keep = (endpoint: Partial<EndpointRecord>): void => {
      pod = { ...pod, endpoint: { ...pod.endpoint, ...endpoint } }
      store.pods.put(pod.id, pod)
    }
    for (const family of [4, 6] as const) {
      const wanted = wishes[`address${family}`]
      const pool = poolFor(network, family, wanted)
      if (pool === undefined) continue
      const address = await ipam.lease(pool, pod.id, wanted === null ? {} : { address: wanted })
      keep({ [`address${family}`]: address, [`gateway${family}`]: driver.gatewayFor(network, pool) })
    }
    const attached = await driver.attach(
      this.#networks.context(),
      specOf(network, pod, config, wishes),
      sandbox,
    )
    keep({ ...attached })
    return this.#ports.publish(network, pod, wishes.ports)
  }

  async #attachToEngine(
    undo: AsyncDisposableStack,
    call: PodCall,
    config: PodConfig,
    wishes: PodWishes,
    sandbox: Sandbox,
  ): Promise<PodRecord> {
    const { store, engine } = this.#parts
    const network = config.network
      ? engine!.find(config.network)
      : await engine!.ensure(config.name, config.driver)
    const pod = { ...planPod(call, config, wishes, network), isEngines: true }
    store.pods.put(pod.id, pod)
    const leading = config.leadsOut ? pod.id : ''
    const endpoint = await engine!.attach(undo, sandbox, pod.endpoint, {
      interfaceName: call.interfaceName,
      onlyOwnMac: false,
      ports: [],
      defaults: { v4: leading, v6: leading },
    })
    const attached = { ...pod, endpoint }
    store.pods.put(pod.id, attached)
    return this.#ports.publish(network, attached, wishes.ports)
  }

  #delete(call: PodCall): Promise<void> {
    if (call.containerId === '' || call.interfaceName === '') checkCall(call)
    const id = podId(call)
    return this.#parts.locks.run(`pod ${id}`, () => this.#release(id))
  }

  /** What another host has meanwhile is not this pod's any more; the runtime's own DEL finds nothing left to do. */
  evict(id: EndpointId): Promise<void> {
    return this.#parts.locks.run(`pod ${id}`, () => this.#release(id))
  }

  /** Safe to repeat. */
  async #release(id: EndpointId): Promise<void> {
    const { store, ipam, engine } = this.#parts
    const pod = store.pods.get(id)
    if (pod === undefined) return
    await this.#ports.withdraw(pod)
    const known = pod.isEngines ? undefined : store.podNetworks.get(pod.networkName)
    if (pod.isEngines) await engine?.detach(pod)
    if (known !== undefined) {
      const { network } = known
      const { address4, address6 } = pod.endpoint
      using sandbox = findPod(pod)
      const driver = this.#networks.driver(network.driver)
      await driver.detach(this.#networks.context(), { id, network, address4, address6 }, sandbox)
      for (const [family, address] of [
        [4, address4],
        [6, address6],
      ] as const) {
        const pool = address === '' ? undefined : poolFor(network, family, bare(address))
        if (pool !== undefined) await ipam.release(pool, id, bare(address))
      }
    }
    store.pods.delete(id)
    if (known !== undefined) await this.#networks.leave(known.network)
  }

  /** All pods on the configuration's network that are not among those named go. */
  async #collect({ config }: PodCall, { name }: PodConfig): Promise<void> {
    const listed = listOf(config, 'cni.dev/valid-attachments').filter(isObject)
    const valid = new Set(
      listed.map(({ containerID, ifname }) =>
        podId({ containerId: String(containerID), interfaceName: String(ifname) }),
      ),
    )
    for (const { id, networkName } of [...this.#parts.store.pods.values()]) {
      if (networkName !== name || valid.has(id)) continue
      await this.#parts.locks.run(`pod ${id}`, () => this.#release(id))
    }
  }

  /** After a start, before rules are applied as a whole: what was cut short or is gone meanwhile is taken back. */
  async restore(): Promise<void> {
    const { store, log } = this.#parts
    await this.#networks.restore()
    for (const pod of [...store.pods.values()].filter(({ isEngines }) => !isEngines)) {
      try {
        const network = store.podNetworks.get(pod.networkName)?.network
        if (network === undefined || !isStanding(pod)) await this.#release(pod.id)
        else this.#ports.adopt(network, pod)
      } catch (error) {
        log.error({ err: error, container: pod.containerId }, 'a pod could not be taken up')
      }
    }
    await this.#networks.dropUnused()
    // What was done to links while nobody watched.
    await this.#networks.repair(null)
    await this.#networks.sweep()
  }

  /** As `restore`, for pods on the daemon's own networks, when these stand again. From now on links are watched. */
  async resume(): Promise<void> {
    const { store, engine, log } = this.#parts
    this.#watch = watchPodLinks(this.#parts, (suspects) => this.#networks.repair(suspects))
    for (const pod of [...store.pods.values()].filter(({ isEngines }) => isEngines)) {
      try {
        if (engine === null || !isStanding(pod)) await this.#release(pod.id)
        else await this.#ports.resume(engine.find(pod.endpoint.network), pod)
      } catch (error) {
        log.error({ err: error, container: pod.containerId }, 'a pod could not be taken up')
      }
    }
  }

  /** The daemon ends, or the call: what is unused goes, and what goes later is waited for. */
  close(): Promise<void> {
    this.#watch?.[Symbol.dispose]()
    return this.#networks.close()
  }
}

function checkCall({ containerId, interfaceName }: PodCall): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) {
    throw new TsnetError(
      'invalid',
      'cni-environment',
      `CNI_CONTAINERID ${JSON.stringify(containerId)} is none`,
    )
  }
  checkInterfaceName(interfaceName)
}

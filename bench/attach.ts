/**
 * How long an endpoint on a bridge takes: a sandbox, a veth pair into it, the bridge's port, addresses of both
 * families, routes. Runs in a network namespace of its own: `unshare -n node bench/attach.ts [ROUNDS [BESIDE]]`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { createBridgeDriver } from '../src/drivers/bridge/index.ts'
import type { DriverContext, EndpointSpec } from '../src/drivers/driver.ts'
import { createLogger } from '../src/log.ts'
import { openSandbox, removeSandbox, type Sandbox } from '../src/sandbox/sandbox.ts'
import type { NetworkRecord } from '../src/store/records.ts'
import { warmThreadPool } from '../src/sys/netns.ts'
import { type EndpointId, type NetworkId, newId } from '../src/values/id.ts'

export interface AttachResult {
  readonly attach_median_ms: number
  readonly attach_p95_ms: number
  /** The namespace with its loopback and sysctls, which an attach finds ready. */
  readonly sandbox_median_ms: number
  readonly detach_median_ms: number
  readonly rounds: number
}

/** Milliseconds after which the last of many endpoints have announced themselves and told of their groups for the last time. */
const announcing = 3000
/** The same for a few. */
const telling = 1100

const bridgeDriver = createBridgeDriver()

const network: NetworkRecord = {
  id: newId<NetworkId>(),
  name: 'bench',
  createdAt: '',
  predefined: false,
  givenFamilies: [4],
  configuration: null,
  dnsServers: [],
  configOnly: false,
  configFrom: '',
  driver: 'bridge',
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: true,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [
    { subnet: '10.92.0.0/16', range: '', gateway: '10.92.0.1', auxiliary: {} },
    { subnet: 'fd00:92::/64', range: '', gateway: 'fd00:92::1', auxiliary: {} },
  ],
  options: {},
  labels: {},
}

function endpoint(number: number): EndpointSpec {
  return {
    id: newId<EndpointId>(),
    network,
    interfaceName: 'eth0',
    mac: '',
    address4: `10.92.${1 + (number >> 7)}.${1 + (number & 127)}/16`,
    address6: `fd00:92::1:${number.toString(16)}/64`,
    linkLocal: [],
    gateway4: '10.92.0.1',
    gateway6: 'fd00:92::1',
    defaultRoute4: true,
    defaultRoute6: true,
    sysctls: {},
    onlyOwnMac: false,
    options: {},
  }
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Number((sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(3))
}

interface Standing {
  readonly sandbox: Sandbox
  readonly spec: EndpointSpec
}

/** A network with endpoints that stand, beside which others come and go. */
export class AttachBench implements AsyncDisposable {
  readonly #context: DriverContext = {
    mark: 'tsnet',
    log: createLogger('silent'),
    signal: new AbortController().signal,
  }
  readonly #execRoot = mkdtempSync(join(tmpdir(), 'tsnet-bench-'))
  readonly #standing: Standing[] = []
  /** How many endpoints there have been: each has addresses that none had before. */
  #made = 0

  static async open(beside: number): Promise<AttachBench> {
    await warmThreadPool()
    const bench = new AttachBench()
    await bridgeDriver.createNetwork(bench.#context, network)
    for (let count = 0; count < beside; count++) bench.#standing.push((await bench.#attach()).standing)
    if (beside > 0) await sleep(announcing)
    return bench
  }

  /** Attaches so many endpoints one after the other, and then detaches them. */
  async sample(rounds: number): Promise<AttachResult> {
    const made = []
    for (let round = 0; round < rounds; round++) made.push(await this.#attach())
    if (this.#standing.length > 0) await sleep(telling)
    const detached: number[] = []
    for (const { standing } of made) detached.push(await this.#detach(standing))
    const attached = made.map((one) => one.attached)
    const opened = made.map((one) => one.opened)
    return {
      attach_median_ms: quantile(attached, 0.5),
      attach_p95_ms: quantile(attached, 0.95),
      sandbox_median_ms: quantile(opened, 0.5),
      detach_median_ms: quantile(detached, 0.5),
      rounds,
    }
  }

  async #attach(): Promise<{ standing: Standing; opened: number; attached: number }> {
    // a daemon's event loop turns between two of them
    await sleep(1)
    const spec = endpoint(this.#made++)
    const start = performance.now()
    const sandbox = openSandbox({ execRoot: this.#execRoot, id: spec.id })
    const opened = performance.now()
    await bridgeDriver.attach(this.#context, spec, sandbox)
    return {
      standing: { sandbox, spec },
      opened: opened - start,
      attached: performance.now() - opened,
    }
  }

  async #detach({ sandbox, spec }: Standing): Promise<number> {
    const start = performance.now()
    await bridgeDriver.detach(this.#context, spec, sandbox)
    const took = performance.now() - start
    sandbox[Symbol.dispose]()
    removeSandbox(this.#execRoot, sandbox.id)
    return took
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#standing) await this.#detach(one)
    await bridgeDriver.removeNetwork(this.#context, network)
    await bridgeDriver.settle?.()
    rmSync(this.#execRoot, { recursive: true })
  }
}

if (import.meta.main) {
  const [rounds = 100, beside = 0] = process.argv.slice(2).map(Number)
  await using bench = await AttachBench.open(beside)
  console.log(JSON.stringify(await bench.sample(rounds)))
}

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
  readonly median_ms: number
  readonly p95_ms: number
  /** Of which the namespace with its loopback and sysctls. */
  readonly sandbox_median_ms: number
  readonly detach_median_ms: number
  readonly rounds: number
}

/** Milliseconds after which endpoints have announced themselves for the last time. */
const announcing = 3000

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

/** Attaches `rounds` endpoints beside `before` others, all standing at the end, then detaches them. */
export async function benchAttach(rounds = 100, before = 0): Promise<AttachResult> {
  await warmThreadPool()
  const context: DriverContext = {
    mark: 'tsnet',
    log: createLogger('silent'),
    signal: new AbortController().signal,
  }
  const execRoot = mkdtempSync(join(tmpdir(), 'tsnet-bench-'))
  const standing: { sandbox: Sandbox; spec: EndpointSpec }[] = []
  const all: number[] = []
  const sandboxes: number[] = []
  const detached: number[] = []
  await bridgeDriver.createNetwork(context, network)
  try {
    for (let round = -before; round < rounds; round++) {
      // a daemon's event loop turns between two of them
      await sleep(round === 0 && before > 0 ? announcing : 1)
      const spec = endpoint(before + round)
      const start = performance.now()
      const sandbox = openSandbox({ execRoot, id: spec.id })
      const opened = performance.now()
      standing.push({ sandbox, spec })
      await bridgeDriver.attach(context, spec, sandbox)
      if (round < 0) continue
      all.push(performance.now() - start)
      sandboxes.push(opened - start)
    }
  } finally {
    for (const [place, { sandbox, spec }] of standing.entries()) {
      const start = performance.now()
      await bridgeDriver.detach(context, spec, sandbox)
      if (place < rounds) detached.push(performance.now() - start)
      sandbox[Symbol.dispose]()
      removeSandbox(execRoot, sandbox.id)
    }
    await bridgeDriver.removeNetwork(context, network)
    await bridgeDriver.settle?.()
    rmSync(execRoot, { recursive: true })
  }
  return {
    median_ms: quantile(all, 0.5),
    p95_ms: quantile(all, 0.95),
    sandbox_median_ms: quantile(sandboxes, 0.5),
    detach_median_ms: quantile(detached, 0.5),
    rounds,
  }
}

if (import.meta.main) {
  const [rounds, before] = process.argv.slice(2).map(Number)
  console.log(JSON.stringify(await benchAttach(rounds, before)))
}

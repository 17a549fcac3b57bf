/**
 * The program behind `tsnet driver test FILE [OPTION=VALUE…]`: tries a driver in a mount namespace that ends with it, network
 * drivers in a network namespace too. `{}` in a value becomes another number for each volume or network.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { DriverKind } from '../../drivers/registry.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { createLogger } from '../../log.ts'
import { setLink } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import type { Labels, PoolRecord, VolumeRecord } from '../../store/records.ts'
import { MS_PRIVATE, MS_REC } from '../../sys/constants/mount.ts'
import { CLONE_NEWNET, CLONE_NEWNS } from '../../sys/constants/sched.ts'
import { mount } from '../../sys/mount.ts'
import { unshare } from '../../sys/process.ts'
import type { VolumeDriver } from '../../volumes/volume.ts'
import type { DriverDefinition } from '../api/driver.ts'
import { Caller } from '../call.ts'
import { driverKinds } from '../definition.ts'
import { ExtensionIpam } from '../ipam.ts'
import { loadDriver } from '../load.ts'
import { ExtensionNetworks } from '../network.ts'
import { ExtensionVolumes } from '../volume.ts'
import type { Check } from './check.ts'
import { type IpamLab, ipamChecks } from './ipam.ts'
import { type NetworkLab, networkChecks } from './network.ts'
import { recordOf, type VolumeLab, volumeChecks } from './volume.ts'

/** Exit status when checks have failed; 1 stands for a driver that cannot be tried. */
const failure = 2

const log = createLogger('silent')
/** In the environment: the kinds to be tried by this process. */
const inside = 'TSNET_DRIVER_TEST'

interface Trial {
  readonly path: string
  readonly name: string
  readonly definition: DriverDefinition
  options(): Labels
}

function callerOf({ name, definition }: Trial, kind: DriverKind): Caller {
  return new Caller(name, kind, log, definition.timeout)
}

/** A driver as a daemon that has just started has it. */
async function again(trial: Trial): Promise<Trial> {
  return { ...trial, ...(await loadDriver(trial.path, log, true)) }
}

async function openVolumes(trial: Trial): Promise<VolumeLab> {
  const prefix = `tsnet-test-${process.pid}-`
  const made = new Map<string, VolumeRecord>()
  const open = (from: Trial): VolumeDriver => {
    const { driver } = new ExtensionVolumes(
      from.name,
      from.definition.volume as never,
      callerOf(from, 'volume'),
    )
    const create: VolumeDriver['create'] = async (name, options) => {
      made.set(name, recordOf(driver, name, options, ''))
      const path = await driver.create(name, options)
      made.set(name, recordOf(driver, name, options, path))
      return path
    }
    return { ...driver, create }
  }
  const driver = open(trial)
  return {
    driver,
    prefix,
    keeps: true,
    options: trial.options,
    restart: async () => open(await again(trial)),
    async close() {
      for (const volume of made.values()) {
        await driver.unmount(volume, 'nobody').catch(() => {})
        await driver.remove(volume)
      }
    },
  }
}

async function openIpam(trial: Trial): Promise<IpamLab> {
  const taken = new Map<string, PoolRecord>()
  const open = (from: Trial) =>
    new ExtensionIpam(from.name, from.definition.ipam as never, callerOf(from, 'ipam'), (id) => id).driver
  const { requestPool, ...driver } = open(trial)
  return {
    driver: {
      ...driver,
      async requestPool(owner, request) {
        const pool = await requestPool(owner, request)
        taken.set(pool.subnet, pool)
        return pool
      },
    },
    options: trial.options,
    restart: async () => open(await again(trial)),
    async close() {
      for (const pool of taken.values()) await driver.releasePool(pool)
    },
  }
}

async function openNetworks(trial: Trial): Promise<NetworkLab> {
  const execRoot = mkdtempSync(join(tmpdir(), 'tsnet-driver-test-'))
  const { driver } = new ExtensionNetworks(
    trial.name,
    'tsnet-test',
    trial.definition.network as never,
    callerOf(trial, 'network'),
  )
  return {
    driver,
    execRoot,
    context: { mark: 'tsnet-test', log, signal: new AbortController().signal },
    options: trial.options,
    close: async () => rmSync(execRoot, { recursive: true, force: true }),
  }
}

/** Of two failures, the check's and that of clearing up after it, both are told. */
async function tryOne<L extends { close(): Promise<void> }>(run: Check<L>['run'], lab: L): Promise<void> {
  await using undo = new AsyncDisposableStack()
  undo.defer(() => lab.close())
  await run(lab)
}

/** Returns how many have failed. */
async function tryAll<L extends { close(): Promise<void> }>(
  checks: readonly Check<L>[],
  open: () => Promise<L>,
): Promise<number> {
  let failed = 0
  for (const { title, run } of checks) {
    const begun = performance.now()
    try {
      await tryOne(run, await open())
      console.log(`  ok    ${title} (${Math.round(performance.now() - begun)} ms)`)
    } catch (error) {
      failed++
      console.log(`  FAIL  ${title}\n        ${errorMessage(error).replaceAll('\n', '\n        ')}`)
    }
  }
  return failed
}

async function main([path = '', ...pairs]: readonly string[]): Promise<number> {
  const loaded = await loadDriver(path, log, true)
  let number = 0
  const options = (): Labels => {
    number++
    return Object.fromEntries(
      pairs.map((pair) => {
        const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
        return [key, value.replaceAll('{}', String(number))]
      }),
    )
  }
  const trial = { path, ...loaded, options }
  let failed = 0
  const wanted = process.env[inside]?.split(',') ?? []
  for (const kind of driverKinds.filter((one) => loaded.definition[one] !== undefined)) {
    if (!wanted.includes(kind)) continue
    console.log(`${kind} driver ${loaded.name}`)
    if (kind === 'volume') failed += await tryAll(volumeChecks, () => openVolumes(trial))
    if (kind === 'ipam') failed += await tryAll(ipamChecks, () => openIpam(trial))
    if (kind === 'network') failed += await tryAll(networkChecks, () => openNetworks(trial))
  }
  return failed === 0 ? 0 : failure
}

/** Runs this program again in namespaces of its own. What asks servers on the network is tried on the host's. */
function enclose(argv: readonly string[]): number {
  if (process.getuid?.() !== 0) {
    throw new TsnetError('forbidden', 'not-root', 'drivers are tried by root: start it with sudo')
  }
  unshare(CLONE_NEWNS)
  mount('none', '/', '', MS_REC | MS_PRIVATE, '')
  const onHost = runInside('ipam,volume', argv)
  if (onHost === 1) return 1
  unshare(CLONE_NEWNET)
  using socket = openRouteSocket()
  setLink(socket, loopback, { up: true })
  const enclosed = runInside('network', argv)
  const isWell = onHost === 0 && enclosed === 0
  console.log(isWell ? 'all is well' : 'some checks have failed')
  return isWell ? 0 : 1
}

/** Of a new network namespace. */
const loopback = 1

function runInside(kinds: string, [path = '', ...rest]: readonly string[]): number {
  const args = [process.argv[1] ?? '', resolve(path), ...rest]
  const env = { ...process.env, [inside]: kinds }
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1
}

try {
  const argv = process.argv.slice(2)
  process.exit(process.env[inside] === undefined ? enclose(argv) : await main(argv))
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`)
  process.exit(1)
}

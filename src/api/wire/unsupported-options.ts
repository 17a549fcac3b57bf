/** Options of Docker that are known but not carried out here: asking for one is refused, never silently forgotten. */
import { TsnetError } from '../../errors.ts'
import type { ContainerCreate, HostConfig } from '../schema/container-create.ts'

interface UnsupportedOption<Fields> {
  readonly name: keyof Fields & string
  /** Values that change nothing; those that are empty (null, false, 0, '', [], {}) never do. */
  readonly harmless?: readonly unknown[]
  /** What is so instead. */
  readonly instead: string
}

const hostOptions: readonly UnsupportedOption<HostConfig>[] = [
  { name: 'Annotations', instead: 'use labels' },
  {
    name: 'CgroupnsMode',
    harmless: ['private'],
    instead: 'every container has a cgroup namespace of its own',
  },
  { name: 'IpcMode', harmless: ['private'], instead: 'every container has an IPC namespace of its own' },
  { name: 'Cgroup', instead: 'every container has a cgroup of its own' },
  { name: 'PidMode', instead: 'every container has a PID namespace of its own' },
  { name: 'Privileged', instead: 'give single capabilities with CapAdd' },
  { name: 'StorageOpt', instead: 'a container may grow as far as the file system does' },
  { name: 'UTSMode', instead: 'every container has a host name of its own' },
  { name: 'UsernsMode', harmless: ['host'], instead: 'containers share the user namespace of the daemon' },
  { name: 'Runtime', harmless: ['tsnet', 'runc'], instead: 'the only runtime is tsnet' },
  { name: 'Isolation', harmless: ['default'], instead: "on Linux there is only 'default'" },
  { name: 'CgroupParent', instead: 'the cgroups of containers lie below tsnet' },
  { name: 'BlkioWeight', instead: 'block I/O is not limited' },
  { name: 'BlkioWeightDevice', instead: 'block I/O is not limited' },
  { name: 'BlkioDeviceReadBps', instead: 'block I/O is not limited' },
  { name: 'BlkioDeviceWriteBps', instead: 'block I/O is not limited' },
  { name: 'BlkioDeviceReadIOps', instead: 'block I/O is not limited' },
  { name: 'BlkioDeviceWriteIOps', instead: 'block I/O is not limited' },
  { name: 'CpuRealtimePeriod', instead: 'use CpuPeriod' },
  { name: 'CpuRealtimeRuntime', instead: 'use CpuQuota' },
  { name: 'Devices', instead: 'containers have only the devices that every container has' },
  { name: 'DeviceCgroupRules', instead: 'containers have only the devices that every container has' },
  { name: 'DeviceRequests', instead: 'containers have only the devices that every container has' },
  { name: 'MemorySwappiness', harmless: [-1], instead: "the host's swappiness counts" },
  { name: 'OomKillDisable', instead: 'a container beyond its memory limit is killed' },
  { name: 'Init', instead: 'the program itself is the first process and reaps its children' },
]

const configOptions: readonly UnsupportedOption<ContainerCreate>[] = [
  { name: 'NetworkDisabled', instead: "use the network mode 'none'" },
]

/** Throws kind 'unsupported' that names the first such option, kind 'invalid' where its value is wrong altogether. */
export function refuseUnsupported(body: ContainerCreate): void {
  const host = body.HostConfig ?? {}
  checkRestartPolicy(host)
  checkLogConfig(host)
  checkHealthcheck(body)
  checkMaskedPaths(host)
  for (const option of hostOptions) check('HostConfig.', option, host[option.name])
  for (const option of configOptions) check('', option, body[option.name])
}

function check(prefix: string, option: UnsupportedOption<never>, value: unknown): void {
  if (isEmpty(value) || option.harmless?.includes(value)) return
  throw unsupported(`${prefix}${option.name} is not supported: ${option.instead}`)
}

function isEmpty(value: unknown): boolean {
  return !value || (typeof value === 'object' && Object.keys(value).length === 0)
}

export function unsupported(message: string): TsnetError {
  return new TsnetError('unsupported', 'unsupported-option', message)
}

const restartPolicies: readonly string[] = ['no', 'always', 'on-failure', 'unless-stopped']

function checkRestartPolicy({ RestartPolicy: policy, AutoRemove }: HostConfig): void {
  const name = policy?.Name || 'no'
  if (!restartPolicies.includes(name)) {
    const [first, second, third, last] = restartPolicies
    throw new TsnetError(
      'invalid',
      'bad-restart-policy',
      `invalid restart policy: unknown policy '${name}'; use one of '${first}', '${second}', '${third}', or '${last}'`,
    )
  }
  if (name === 'no') return
  if (AutoRemove === true) {
    throw new TsnetError(
      'invalid',
      'bad-restart-policy',
      "can't create 'AutoRemove' container with restart policy",
    )
  }
  throw unsupported(
    `HostConfig.RestartPolicy '${name}' is not supported: start the container again with another program`,
  )
}

function checkLogConfig({ LogConfig: config }: HostConfig): void {
  const driver = config?.Type || 'json-file'
  if (driver !== 'json-file') {
    throw unsupported(
      `HostConfig.LogConfig '${driver}' is not supported: the only logging driver is json-file`,
    )
  }
  const [option] = Object.keys(config?.Config ?? {})
  if (option !== undefined) {
    throw unsupported(
      `HostConfig.LogConfig option '${option}' is not supported: the json-file driver takes none`,
    )
  }
}

function checkHealthcheck({ Healthcheck: check }: ContainerCreate): void {
  const [kind] = check?.Test ?? []
  if (kind === undefined || kind === 'NONE') return
  throw unsupported('Healthcheck is not supported: containers are not probed')
}

/** An empty list asks for paths of /proc and /sys to be laid open; null is Docker's default list. */
function checkMaskedPaths(host: HostConfig): void {
  for (const name of ['MaskedPaths', 'ReadonlyPaths'] as const) {
    if (host[name] != null)
      throw unsupported(`HostConfig.${name} is not supported: the default list always holds`)
  }
}

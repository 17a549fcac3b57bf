import { version } from '../../version.ts'
import { text } from '../argv.ts'
import { defineCommand, print, printError } from '../command.ts'
import { evaluateTemplate } from '../template/evaluate.ts'
import { parseTemplate } from '../template/parse.ts'
import { formatBinarySize } from '../units.ts'

interface Info {
  readonly ID: string
  readonly Name: string
  readonly Containers: number
  readonly ContainersRunning: number
  readonly ContainersPaused: number
  readonly ContainersStopped: number
  readonly Images: number
  readonly ServerVersion: string
  readonly Driver: string
  readonly LoggingDriver: string
  readonly CgroupDriver: string
  readonly CgroupVersion?: string
  readonly Plugins?: Readonly<Record<string, readonly string[] | null>>
  readonly SecurityOptions?: readonly string[] | null
  readonly KernelVersion: string
  readonly OperatingSystem: string
  readonly OSType: string
  readonly Architecture: string
  readonly NCPU: number
  readonly MemTotal: number
  readonly DockerRootDir: string
  readonly TsnetCluster?: Readonly<Record<'Name' | 'Address' | 'State' | 'Since' | 'Error', string>> & {
    readonly Hosts: number
  }
  readonly TsnetDrivers?: readonly Readonly<Record<'Name' | 'Kind' | 'Status' | 'Error', string>>[]
  readonly Warnings?: readonly string[] | null
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Display system-wide information',
  flags: { format: text('Format output using a custom template: "json" or a Go template', { short: 'f' }) },
  arity: [0, 0],
  async run({ client, flags: { format } }) {
    const info = await client.call<Info>('GET', '/info')
    if (format !== '') {
      print(format === 'json' ? JSON.stringify(info) : evaluateTemplate(parseTemplate(format), info))
      return 0
    }
    print(describe(info))
    for (const warning of info.Warnings ?? []) printError(warning)
    return 0
  },
})

function describeCluster({ TsnetCluster: cluster }: Info): string[] {
  if (cluster === undefined) return []
  const { Name, Address, State, Since, Error: error, Hosts } = cluster
  return [
    ' Cluster:',
    `  State: ${State} since ${Since}${error === '' ? '' : ` (${error})`}`,
    `  Node: ${Name} at ${Address}`,
    `  Nodes: ${Hosts}`,
  ]
}

/** Those of which something is wrong. */
function describeDrivers({ TsnetDrivers: drivers = [] }: Info): string[] {
  const failing = drivers.filter(({ Status }) => Status !== 'ready')
  if (failing.length === 0) return []
  return [
    ' Drivers:',
    ...failing.map(({ Name, Status, Error: error }) => `  ${Name}: ${Status}: ${error.split('\n', 1)[0]}`),
  ]
}

function describe(info: Info): string {
  const plugins = Object.entries(info.Plugins ?? {}).filter(([, names]) => names && names.length > 0)
  const security = (info.SecurityOptions ?? []).map((option) => option.replace(/^name=/, '').split(',')[0])
  return [
    'Client:',
    ` Version:    ${version}`,
    '',
    'Server:',
    ` Containers: ${info.Containers}`,
    `  Running: ${info.ContainersRunning}`,
    `  Paused: ${info.ContainersPaused}`,
    `  Stopped: ${info.ContainersStopped}`,
    ` Images: ${info.Images}`,
    ` Server Version: ${info.ServerVersion}`,
    ` Storage Driver: ${info.Driver}`,
    ` Logging Driver: ${info.LoggingDriver}`,
    ` Cgroup Driver: ${info.CgroupDriver}`,
    ` Cgroup Version: ${info.CgroupVersion ?? '1'}`,
    ' Plugins:',
    ...plugins.map(([kind, names]) => `  ${kind}: ${names!.join(' ')}`),
    ...(security.length > 0 ? [' Security Options:', ...security.map((option) => `  ${option}`)] : []),
    ...describeCluster(info),
    ...describeDrivers(info),
    ` Kernel Version: ${info.KernelVersion}`,
    ` Operating System: ${info.OperatingSystem}`,
    ` OSType: ${info.OSType}`,
    ` Architecture: ${info.Architecture}`,
    ` CPUs: ${info.NCPU}`,
    ` Total Memory: ${formatBinarySize(info.MemTotal)}`,
    ` Name: ${info.Name}`,
    ` ID: ${info.ID}`,
    ` Root Dir: ${info.DockerRootDir}`,
  ].join('\n')
}

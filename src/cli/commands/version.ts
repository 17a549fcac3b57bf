import { errorMessage } from '../../errors.ts'
import { version } from '../../version.ts'
import { text } from '../argv.ts'
import { defineCommand, ExitError, print } from '../command.ts'
import { evaluateTemplate } from '../template/evaluate.ts'
import { parseTemplate } from '../template/parse.ts'

interface ServerVersion {
  readonly Platform?: { readonly Name: string }
  readonly Version: string
  readonly ApiVersion: string
  readonly MinAPIVersion?: string
  readonly Os: string
  readonly Arch: string
  readonly KernelVersion?: string
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show the tsnet version information',
  flags: { format: text('Format output using a custom template: "json" or a Go template', { short: 'f' }) },
  arity: [0, 0],
  async run({ client, flags: { format } }) {
    const own = { Version: version, NodeVersion: process.version, Os: 'linux', Arch: goArchitecture() }
    let server: ServerVersion | undefined
    let failure: unknown
    try {
      server = await client.call<ServerVersion>('GET', '/version')
    } catch (error) {
      failure = error
    }
    print(
      format === '' ? describe(own, server) : formatVersions(format, { Client: own, Server: server ?? null }),
    )
    if (failure !== undefined) throw new ExitError(1, errorMessage(failure))
    return 0
  },
})

type ClientVersion = Readonly<Record<'Version' | 'NodeVersion' | 'Os' | 'Arch', string>>

/** The API's word for the machine, which is Go's. */
function goArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch
}

function formatVersions(format: string, data: object): string {
  return format === 'json' ? JSON.stringify(data) : evaluateTemplate(parseTemplate(format), data)
}

function describe(own: ClientVersion, server: ServerVersion | undefined): string {
  const client = [
    'Client:',
    ` Version:           ${own.Version}`,
    ` Node version:      ${own.NodeVersion}`,
    ` OS/Arch:           ${own.Os}/${own.Arch}`,
  ]
  return [...client, ...(server ? ['', ...describeServer(server)] : [])].join('\n')
}

function describeServer(server: ServerVersion): string[] {
  const least = server.MinAPIVersion ? ` (minimum version ${server.MinAPIVersion})` : ''
  return [
    server.Platform?.Name ? `Server: ${server.Platform.Name}` : 'Server:',
    ' Engine:',
    `  Version:          ${server.Version}`,
    `  API version:      ${server.ApiVersion}${least}`,
    `  OS/Arch:          ${server.Os}/${server.Arch}`,
    ...(server.KernelVersion ? [`  Kernel version:   ${server.KernelVersion}`] : []),
  ]
}

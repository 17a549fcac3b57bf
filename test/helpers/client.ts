/** Short words for what tests of a daemon do all the time with a client. */
import type { ContainerInspect } from '../../src/api/schema/container.ts'
import type { NetworkInspect } from '../../src/api/schema/network.ts'
import type { Result, TestDaemon } from './daemon.ts'

/** What there is to inspect. */
export interface Inspected {
  readonly container: ContainerInspect
  readonly network: NetworkInspect
}

export class TestClient {
  readonly daemon: TestDaemon

  constructor(daemon: TestDaemon) {
    this.daemon = daemon
  }

  /** What the docker client prints, without white space at its ends. Throws when it fails. */
  readonly docker = async (...args: string[]): Promise<string> =>
    printed('docker', args, await this.daemon.docker(...args))

  /** As `docker`, with the tsnet client. */
  readonly tsnet = async (...args: string[]): Promise<string> =>
    printed('tsnet', args, await this.daemon.tsnet(...args))

  /** What the docker client complains about. Throws when it does not fail. */
  readonly refusal = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await this.daemon.docker(...args)
    if (code === 0) throw new Error(`docker ${args.join(' ')}: succeeded: ${stdout}`)
    return stderr.replaceAll('\n', ' ').trim()
  }

  /** As the newest version of the API tells it: a client may ask for an older one. Throws when it is not there. */
  readonly inspect = async <K extends keyof Inspected>(kind: K, name: string): Promise<Inspected[K]> => {
    const path = kind === 'container' ? `/containers/${name}/json` : `/networks/${name}`
    const { status, body } = await this.daemon.api('GET', path)
    if (status !== 200) throw new Error(`inspect ${kind} ${name}: ${status}: ${JSON.stringify(body)}`)
    return body as Inspected[K]
  }

  /** Starts a container of the image `box` that waits. Returns its id. */
  readonly wait = (name: string, ...args: string[]): Promise<string> =>
    this.docker('run', '-d', '--name', name, ...args, 'box', 'sleep', '600')

  readonly remove = (...containers: string[]): Promise<string> => this.docker('rm', '-fv', ...containers)

  /** Takes away what a failed test has left. */
  readonly clear = async (): Promise<void> => {
    const { body } = await this.daemon.api('GET', '/containers/json?all=1')
    const left = (body as { Id: string }[]).map(({ Id }) => `/containers/${Id}?force=1&v=1`)
    for (const { status, body } of await Promise.all(left.map((path) => this.daemon.api('DELETE', path))))
      if (status >= 400) throw new Error(`a container is left: ${JSON.stringify(body)}`)
  }

  /** What a shell script prints inside a running container. */
  readonly inside = (container: string, script: string): Promise<string> =>
    this.docker('exec', container, 'sh', '-c', script)

  /** The addresses that a name has for a container, '' for none. */
  readonly resolve = async (container: string, name: string): Promise<string> => {
    const { stdout } = await this.daemon.docker('exec', container, 'nslookup', name)
    const answer = stdout.slice(stdout.indexOf('\n\n'))
    return [...answer.matchAll(/^Address(?: \d+)?: (\S+)$/gm)].map(([, address]) => address).join(' ')
  }

  readonly addressOf = async (container: string, network: string): Promise<string> =>
    (await this.inspect('container', container)).NetworkSettings.Networks[network]?.IPAddress ?? ''
}

function printed(client: string, args: readonly string[], { code, stdout, stderr }: Result): string {
  if (code === 0) return stdout.trim()
  throw new Error(`${client} ${args.join(' ')}: ${code}: ${stderr}${stdout}`)
}

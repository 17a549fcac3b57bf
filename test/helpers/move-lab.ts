/** Two hosts of a cluster, one of whose daemons dies when it is told to, and a container that moves between them. */
import { expect } from 'vitest'
import { TestClient } from './client.ts'
import { TestCluster } from './cluster.ts'
import { busyboxArchive } from './daemon.ts'
import { DyingDaemon } from './dying-daemon.ts'
import { eventually } from './eventually.ts'

export class MoveLab {
  readonly cluster: TestCluster
  readonly dying: DyingDaemon
  /** `h1` lives, `h2` dies. */
  readonly hosts: readonly [TestClient, TestClient]

  private constructor(cluster: TestCluster, dying: DyingDaemon) {
    this.cluster = cluster
    this.dying = dying
    this.hosts = [new TestClient(cluster.hosts[0]!), new TestClient(dying.daemon)]
  }

  static async start(): Promise<MoveLab> {
    const cluster = await TestCluster.start({ hosts: 1, parameters: { ttl: '2' } })
    const dying = await cluster.join((flags, prepare) => DyingDaemon.start(flags, prepare))
    const lab = new MoveLab(cluster, dying)
    await lab.#prepare()
    return lab
  }

  async #prepare(): Promise<void> {
    const [steady] = this.hosts
    await steady.daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await steady.tsnet('network', 'create', '-d', 'overlay', 'mesh')
    await Promise.all(this.hosts.map((host) => eventually(() => host.inspect('network', 'mesh'))))
    for (const [index, host] of this.hosts.entries()) await host.wait(`stays${index}`, '--network', 'mesh')
  }

  async stop(): Promise<void> {
    await this.dying.stop()
    await this.cluster.stop()
  }

  /** A container with something in its root and in two volumes. */
  async startOn(host: TestClient): Promise<void> {
    const given = ['--name', 'web', '--network', 'mesh', '-v', 'data:/data', '-v', '/own']
    await host.tsnet('run', '-d', ...given, 'box', 'sh', '-c', 'trap "exit 0" TERM; sleep 600 & wait')
    await host.inside('web', 'echo data > /data/file; echo root > /file; echo own > /own/file')
  }

  /** On one host it runs with all that it has, and nothing of it is on the other one or half done in etcd. Takes it away then. */
  async checkWhole(when: string): Promise<void> {
    await eventually(async () => {
      const there = await Promise.all(this.hosts.map(namesOf))
      expect(there.flat()).toEqual(['web running'])
      const at = there.findIndex((names) => names.length > 0)
      await this.#checkOn(at)
    }, when)
    for (const { daemon } of this.hosts) {
      await daemon.docker('rm', '-fv', 'web')
      await daemon.docker('volume', 'rm', '-f', 'data')
    }
    await eventually(async () => {
      const keys = [...(await this.cluster.etcd.read('/tsnet/')).keys()]
      const left = keys.filter((key) => /\/(endpoints|addresses|names)\//.test(key) && !/stays/.test(key))
      expect(left).toHaveLength(this.hosts.length)
    }, when)
  }

  async #checkOn(at: number): Promise<void> {
    const [host, other] = [this.hosts[at]!, this.hosts[1 - at]!]
    expect(await host.inside('web', 'cat /data/file /file /own/file')).toBe('data\nroot\nown')
    expect((await host.tsnet('volume', 'ls', '-q')).split('\n')).toHaveLength(2)
    expect(await other.tsnet('volume', 'ls', '-q')).toBe('')
    expect(await other.inside(`stays${1 - at}`, 'ping -c 1 -W 1 web')).toContain('1 packets received')
    const entries = [...(await this.cluster.etcd.read('/tsnet/')).entries()]
    expect(entries.filter(([key]) => key.startsWith('/tsnet/move')).map(([key]) => key)).toEqual([])
    const names = entries.filter(([key]) => key.endsWith('/web')).map(([, value]) => value.split(' ')[0])
    expect(names).toEqual([at === 0 ? 'h1' : 'h2'])
  }
}

async function namesOf(host: TestClient): Promise<string[]> {
  const lines = (await host.tsnet('ps', '-a', '--format', '{{.Names}} {{.State}}')).split('\n')
  return lines.filter((line) => line.startsWith('web'))
}

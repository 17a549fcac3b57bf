import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Case, Contestant } from '../case.ts'
import { ask, startChild } from '../child.ts'
import { endProcess } from '../command.ts'
import type { Stage } from '../stage.ts'

/** How many ports stand already: adding one more should not depend on it. */
const STANDING = [0, 10, 5_000]
const BACKENDS = ['nftables', 'iptables'] as const

const startPublisher = (stage: Stage, backend: string, standing: number): Promise<ChildProcess> =>
  startChild([
    'unshare',
    '--net',
    process.execPath,
    join(stage.root, 'bench/publisher.ts'),
    backend,
    String(standing),
  ])

export default {
  name: 'publish',
  order: 45,
  title: 'Publishing a port',
  about:
    'One more TCP port in one transaction of tsnet’s firewall alone, in each of its backends, in an empty namespace.',
  async *rows(stage) {
    for (const standing of STANDING) {
      const publishers = new Map<string, ChildProcess>()
      for (const backend of BACKENDS) publishers.set(backend, await startPublisher(stage, backend, standing))
      const contestants = [...publishers].map(
        ([name, publisher]): Contestant => ({
          name,
          sample: async () => Number(await ask(publisher, 'publish')),
        }),
      )
      const title = standing === 0 ? 'alone' : `beside ${standing.toLocaleString('en')} others`
      yield { title, unit: 'ms', contestants }
      await Promise.all([...publishers.values()].map(endProcess))
    }
  },
} satisfies Case

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Case, Contestant } from '../case.ts'
import { endProcess } from '../command.ts'
import type { Stage } from '../stage.ts'

/** How many ports stand already: adding one more should not depend on it. */
const STANDING = [0, 10, 5_000]
const BACKENDS = ['nftables', 'iptables'] as const

async function startPublisher(stage: Stage, backend: string, standing: number): Promise<ChildProcess> {
  const command = [
    '--net',
    process.execPath,
    join(stage.root, 'bench/publisher.ts'),
    backend,
    String(standing),
  ]
  const publisher = spawn('unshare', command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await answerOf(publisher)
  return publisher
}

/** The next message of a child; throws when it ends instead. */
async function answerOf(publisher: ChildProcess): Promise<unknown> {
  const listening = new AbortController()
  const { signal } = listening
  const answered = once(publisher, 'message', { signal }).then(([answer]) => answer)
  const ended = once(publisher, 'exit', { signal }).then(([code]) => {
    throw new Error(`bench/publisher.ts ended with ${code}`)
  })
  answered.catch(() => {})
  ended.catch(() => {})
  try {
    return await Promise.race([answered, ended])
  } finally {
    listening.abort()
  }
}

async function samplePublish(publisher: ChildProcess): Promise<number> {
  const answer = answerOf(publisher)
  publisher.send('publish')
  return Number(await answer)
}

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
        ([name, publisher]): Contestant => ({ name, sample: () => samplePublish(publisher) }),
      )
      const title = standing === 0 ? 'alone' : `beside ${standing.toLocaleString('en')} others`
      yield { title, unit: 'ms', contestants }
      await Promise.all([...publishers.values()].map(endProcess))
    }
  },
} satisfies Case

/** Containers are created with volumes while these are removed in every way: a container's volume must be there. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { TestDaemon } from './daemon.ts'

export interface RaceResult {
  readonly races: number
  /** How many volumes a removal got hold of before a container did: they were made again. */
  readonly remade: number
  /** Complaints of volumes that a container mounts and that are not there. */
  readonly lost: readonly string[]
}

interface Race {
  readonly rounds: number
  /** in each round, all at once */
  readonly volumes: number
}

/** The daemon has an image `box`, and no volumes. */
export async function raceVolumes(daemon: TestDaemon, { rounds, volumes }: Race): Promise<RaceResult> {
  const names = Array.from({ length: volumes }, (_, index) => `raced-${index}`)
  const lost: string[] = []
  let remade = 0
  for (let round = 0; round < rounds; round++) {
    const when = `round ${round}`
    await Promise.all(names.map((Name) => call(daemon, 'POST', '/volumes/create', { Name })))
    const before = names.map((name) => inodeOf(daemon, name))
    const removal = new AbortController()
    const removers = [pruneOn(daemon, removal.signal), ...names.map((name) => remove(daemon, name, round))]
    const created = await Promise.all(
      names.map(async (name) => {
        const id = await create(daemon, name)
        if (!(await isThere(daemon, name))) lost.push(`${when}: ${name} is not there when its container is`)
        return id
      }),
    )
    removal.abort()
    await Promise.all(removers)
    for (const [index, name] of names.entries()) {
      if (!(await isThere(daemon, name))) lost.push(`${when}: ${name} went while its container was there`)
      else if (inodeOf(daemon, name) !== before[index]) remade++
    }
    await Promise.all(created.map((id) => call(daemon, 'DELETE', `/containers/${id}`)))
  }
  return { races: rounds * volumes, remade, lost }
}

async function call(daemon: TestDaemon, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await daemon.api(method, path, body)
  if (answer.status < 300) return answer.body
  throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

async function create(daemon: TestDaemon, name: string): Promise<string> {
  const HostConfig = { Mounts: [{ Type: 'volume', Source: name, Target: '/data' }] }
  const body = { Image: 'box', Cmd: ['true'], HostConfig }
  return ((await call(daemon, 'POST', '/containers/create', body)) as { Id: string }).Id
}

/** Prunes until `signal` aborts, by turns into the trash and past it. */
async function pruneOn(daemon: TestDaemon, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await call(daemon, 'POST', `/volumes/prune?filters={"all":["true"]}${turn % 2 ? '&now=1' : ''}`)
  }
}

/** May come too early or too late. */
async function remove(daemon: TestDaemon, name: string, round: number): Promise<void> {
  await daemon.api('DELETE', `/volumes/${name}${round % 2 ? '?now=1' : ''}`)
}

async function isThere(daemon: TestDaemon, name: string): Promise<boolean> {
  const { status } = await daemon.api('GET', `/volumes/${name}`)
  return status === 200 && inodeOf(daemon, name) !== undefined
}

/** Of a volume's directory, undefined when there is none. */
function inodeOf(daemon: TestDaemon, name: string): number | undefined {
  const path = join(daemon.dataRoot, 'volumes', name, '_data')
  return statSync(path, { throwIfNoEntry: false })?.ino
}

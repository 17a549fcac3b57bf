import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startDockerd } from './engines/dockerd.ts'
import { ENGINE_NAMES, type Engine, type EngineName, type Ground } from './engines/engine.ts'
import { startPodman } from './engines/podman.ts'
import { startRunc } from './engines/runc.ts'
import { startTsnet } from './engines/tsnet.ts'
import { makeRootArchive } from './image.ts'

/** Where cases find their contestants. Engines start when a case first asks for them and end with the stage. */
export interface Stage extends AsyncDisposable {
  /** The repository's folder. */
  readonly root: string
  /** A folder for a case's own files. */
  readonly dir: string
  /** Aborts when the run is interrupted or has used up its time. */
  readonly signal: AbortSignal
  /** What a case must take away again, even when the run is interrupted while it is at work. */
  readonly leftovers: AsyncDisposableStack
  /** Those of the wanted engines that were chosen for this run, started. */
  engines(...wanted: EngineName[]): Promise<Engine[]>
  /** Names with versions of what has been started. */
  versions(): string[]
}

const STARTERS: Readonly<Record<EngineName, (root: string, ground: Ground) => Promise<Engine>>> = {
  tsnet: startTsnet,
  dockerd: (_, ground) => startDockerd(ground),
  podman: (_, ground) => startPodman(ground),
  runc: (_, ground) => startRunc(ground),
}

export async function openStage(
  root: string,
  dir: string,
  chosen: readonly EngineName[],
  signal: AbortSignal,
): Promise<Stage> {
  const rootArchive = await makeRootArchive()
  const cgroup = `/${basename(dir)}`
  const started = new Map<EngineName, Promise<Engine>>()
  const start = (name: EngineName): Promise<Engine> => {
    const ground = join(dir, name)
    mkdirSync(ground)
    return STARTERS[name](root, { dir: ground, cgroup, rootArchive })
  }
  const engine = (name: EngineName): Promise<Engine> => {
    const known = started.get(name) ?? start(name)
    started.set(name, known)
    return known
  }
  const versions: string[] = []
  const leftovers = new AsyncDisposableStack()
  return {
    root,
    dir,
    signal,
    leftovers,
    async engines(...wanted) {
      const found: Engine[] = []
      for (const name of ENGINE_NAMES.filter((one) => wanted.includes(one) && chosen.includes(one))) {
        const one = await engine(name)
        const version = `${one.name} ${one.version}`
        if (!versions.includes(version)) versions.push(version)
        found.push(one)
      }
      return found
    },
    versions: () => versions,
    async [Symbol.asyncDispose]() {
      await leftovers.disposeAsync()
      const ended = [...started.values()].map(async (one) => (await one)[Symbol.asyncDispose]())
      await Promise.allSettled(ended)
    },
  }
}

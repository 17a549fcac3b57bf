/** A daemon with namespaces of its own, and a shell whose `docker` speaks to it. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Result, run, TestDaemon } from '../helpers/daemon.ts'
import { startDockerd } from '../helpers/dockerd.ts'

export interface Side {
  /** Runs a line of the script by sh(1). */
  run(line: string): Promise<Result>
  /** Takes away what a topic has made. */
  clear(): Promise<void>
  stop(): Promise<void>
}

/** A daemon, before anything is made in it. */
export interface Bare {
  readonly netns: string
  /** a process in the daemon's mount namespace */
  readonly pid: number
  /** First in the script's PATH, and the directory of `docker`; it goes with the side. */
  readonly folder: string
  /** Runs a line in the daemon's network namespace. Throws when it fails. */
  must(line: string, input?: Buffer): Promise<void>
}

/** What a subject's script finds. */
export interface Equipment {
  readonly env: Readonly<Record<string, string>>
  /** What goes before `sh -c LINE`, inside the daemon's network namespace. */
  readonly before: readonly string[]
  clear(): Promise<void>
  stop(): void
}

export type Equip = (bare: Bare) => Promise<Equipment>

/** The client that comes with the dockerd which is compared with; TSNET_TEST_DOCKER names another. */
export const client = process.env['TSNET_TEST_DOCKER'] ?? '/usr/bin/docker'

interface Engine {
  readonly socket: string
  readonly netns: string
  readonly pid: number
  stop(): Promise<void>
}

export const startDockerdSide = async (equip: Equip): Promise<Side> => startSide(await startDockerd(), equip)

/** The machine's own resolv.conf, because with one comes a mount namespace. */
export const startTsnetSide = async (equip: Equip): Promise<Side> =>
  startSide(await TestDaemon.start([], {}, '/etc/resolv.conf'), equip)

async function startSide(engine: Engine, equip: Equip): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'tsnet-side-'))
  symlinkSync(client, join(folder, 'docker'))
  const env = {
    PATH: `${folder}:${process.env['PATH']}`,
    DOCKER_HOST: `unix://${engine.socket}`,
    DOCKER_CONFIG: folder,
    // A newer client would speak to each daemon in another version of the API.
    DOCKER_API_VERSION: '1.41',
  }
  const inside = `--net=/run/netns/${engine.netns}`
  const must = async (line: string, input?: Buffer) => {
    const { code, stderr } = await run('nsenter', [inside, 'sh', '-c', line], {
      env,
      ...(input && { input }),
    })
    if (code !== 0) throw new Error(`${line}: ${stderr}`)
  }
  const stop = async () => {
    await engine.stop()
    rmSync(folder, { recursive: true })
  }
  try {
    const equipment = await equip({ netns: engine.netns, pid: engine.pid, folder, must })
    const own = { env: { ...env, ...equipment.env } }
    return {
      run: (line) => run('nsenter', [inside, ...equipment.before, 'sh', '-c', line], own),
      clear: equipment.clear,
      stop: async () => {
        equipment.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

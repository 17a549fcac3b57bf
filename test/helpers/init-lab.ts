/** Containers without a daemon: init alone, with plans as the engine makes them, in a mount namespace of the test's own. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BoundPath, compileContainer, plainBind } from '../../src/engine/compile.ts'
import type { Step } from '../../src/init/steps.ts'
import { type Outcome, spawnInit } from '../../src/supervisor/pool.ts'
import { MNT_DETACH, MS_PRIVATE, MS_REC } from '../../src/sys/constants/mount.ts'
import { CLONE_NEWNS } from '../../src/sys/constants/sched.ts'
import { mount, umount } from '../../src/sys/mount.ts'
import { unshare } from '../../src/sys/process.ts'
import { plan } from '../unit/engine/samples.ts'
import { busyboxArchive, repository } from './daemon.ts'

export interface Ending {
  readonly outcome: Outcome
  /** What the script wrote, both streams, without white space at the ends. */
  readonly output: string
}

export class InitLab {
  /** A folder of the host. */
  readonly root: string
  readonly #undone: (() => void)[] = []
  #containers = 0

  constructor() {
    // What is mounted for a test goes with this process at the latest. Asynchronous calls still see the machine's own.
    unshare(CLONE_NEWNS)
    mount('', '/', '', MS_PRIVATE | MS_REC, '')
    this.root = mkdtempSync(join(tmpdir(), 'tsnet-init-'))
    this.layer('box', (path) => execFileSync('tar', ['-C', path, '-xf', '-'], { input: busyboxArchive() }))
  }

  /** A path of the host below the lab's folder. */
  path(name: string): string {
    return join(this.root, name)
  }

  directory(name: string): string {
    mkdirSync(this.path(name), { recursive: true })
    return this.path(name)
  }

  /** Makes a layer of images. */
  layer(name: string, fill: (path: string) => void): void {
    fill(this.directory(`layers/${name}`))
  }

  /** A file system for the test, mounted at the lab's folder `name`. */
  mount(name: string, type: string, source: string, options = '', flags = 0): string {
    const path = this.directory(name)
    mount(source, path, type, flags, options)
    this.undo(() => umount(path, MNT_DETACH))
    return path
  }

  /** To be done when the test is over, last first. */
  undo(step: () => void): void {
    this.#undone.push(step)
  }

  undoAll(): void {
    for (const step of this.#undone.splice(0).reverse()) step()
  }

  /** A bind of a path of the host's. */
  bind(source: string, target: string, change: Partial<BoundPath> = {}): BoundPath {
    return { ...plainBind(source, target, false), ...change }
  }

  volume(source: string, target: string, change: Partial<BoundPath> = {}): BoundPath {
    return this.bind(source, target, { type: 'volume', copyUp: true, ...change })
  }

  /** Runs a shell script in a new container on the image of these layers, bottom first. */
  async run(
    script: string,
    binds: readonly BoundPath[],
    options: { layers?: readonly string[]; patience?: number; user?: string } = {},
  ): Promise<Ending> {
    const directory = this.directory(`containers/${++this.#containers}`)
    const rootfs = {
      layersDir: this.path('layers'),
      lower: (options.layers ?? ['box']).toReversed(),
      upper: join(directory, 'upper'),
      work: join(directory, 'work'),
      merged: join(directory, 'merged'),
    }
    for (const path of [rootfs.upper, rootfs.work, rootfs.merged]) mkdirSync(path)
    const output = join(directory, 'output')
    writeFileSync(output, '')
    const stdio: Step = { op: 'open-stdio', stdin: '', stdout: output, stderr: output }
    const container = plan({ command: ['sh', '-c', script], user: options.user ?? '' })
    const cgroup = { procs: [], mounts: [] }
    const compiled = compileContainer({ container, rootfs, netns: '', binds, cgroup, seccomp: '' })
    const init = spawnInit(join(repository, 'dist/init.cjs'))
    const steps = [stdio, ...compiled.steps]
    const outcome = await init.run({ ...compiled, steps }, options.patience)
    await init.exited
    return { outcome, output: readFileSync(output, 'utf8').trim() }
  }

  /** As `run`, of what starts: its output. */
  async printed(...args: Parameters<InitLab['run']>): Promise<string> {
    const { outcome, output } = await this.run(...args)
    if (outcome.kind === 'failed') throw new Error(outcome.message)
    return output
  }

  /** As `run`, of what must not start: why. */
  async refused(...args: Parameters<InitLab['run']>): Promise<string> {
    const { outcome, output } = await this.run(...args)
    if (outcome.kind === 'failed') return outcome.message
    throw new Error(`it started, and printed ${output}`)
  }

  [Symbol.dispose](): void {
    this.undoAll()
    rmSync(this.root, { recursive: true, force: true })
  }
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { busyboxArchive, repository, TestDaemon } from './daemon.ts'

/** A daemon that dies at the journal's writes when it is told to. */
export class DyingDaemon {
  readonly daemon: TestDaemon
  readonly #file: string

  private constructor(daemon: TestDaemon, file: string) {
    this.daemon = daemon
    this.#file = file
  }

  static async start(
    flags: readonly string[] = [],
    prepare: (netns: string) => void = () => {},
  ): Promise<DyingDaemon> {
    const file = join(mkdtempSync(join(tmpdir(), 'tsnet-kill-')), 'at')
    const preload = `--import=${join(repository, 'test/helpers/kill-at-journal.mjs')}`
    const env = { NODE_OPTIONS: preload, TSNET_TEST_KILL_FILE: file }
    const daemon = await TestDaemon.start(flags, env, '', prepare)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    return new DyingDaemon(daemon, file)
  }

  async stop(): Promise<void> {
    await this.daemon.stop()
    rmSync(dirname(this.#file), { recursive: true })
  }

  /**
   * Prepares, and makes the changes until the daemon dies at the first write to the journal, then at the second, and so on, until it
   * survives all; checks after the next start of each. Returns how often it died. `asked` gets the changes, itself unless told; with
   * `writes` it dies at these only.
   */
  async atEachWrite(
    prepare: () => Promise<void>,
    changes: readonly (readonly string[])[],
    check: (when: string) => Promise<void>,
    { asked = this.daemon, writes }: { asked?: TestDaemon; writes?: readonly number[] } = {},
  ): Promise<number> {
    let deaths = 0
    for (const at of writes ?? everyNumber()) {
      await prepare()
      writeFileSync(this.#file, String(at))
      let completed = true
      for (const change of changes) completed &&= (await asked.tsnet(...change)).code === 0
      if (completed) await this.daemon.kill()
      else await this.daemon.ended()
      rmSync(this.#file, { force: true })
      await this.daemon.launch()
      await check(`killed at journal write ${at}`)
      if (completed) break
      deaths++
    }
    return deaths
  }

  /**
   * Has the daemon die at its n-th write to the journal during a change, whose client waits until it is there again; checks in
   * between. Returns whether it died.
   */
  async dieAt(at: number, change: readonly string[], check: () => Promise<void>): Promise<boolean> {
    writeFileSync(this.#file, String(at))
    const changing = this.daemon.tsnet(...change)
    const died = await Promise.race([this.daemon.ended().then(() => true), changing.then(() => false)])
    rmSync(this.#file, { force: true })
    if (died) {
      await this.daemon.launch()
      await check()
    }
    const { code, stderr } = await changing
    if (code !== 0) throw new Error(`after death ${at}: ${stderr}`)
    return died
  }

  /** Has the daemon die at its n-th write to the journal after `harm`, which somebody else does, and starts it again. */
  async dieAfter(at: number, harm: () => void): Promise<void> {
    writeFileSync(this.#file, String(at))
    harm()
    await this.daemon.ended()
    rmSync(this.#file, { force: true })
    await this.daemon.launch()
  }
}

function* everyNumber(): Generator<number> {
  for (let number = 1; ; number++) yield number
}

import { execa } from 'execa'
import { errorMessage, TsnetError } from '../errors.ts'
import type { Family } from './rules.ts'

/** `iptables` is whichever of the kernel's two ways, nft and legacy, the machine has chosen. */
export type IptablesName = 'iptables' | 'iptables-nft' | 'iptables-legacy'

/** Seconds to wait for another program's lock on the tables. */
const LOCK_TIMEOUT = 10

/** So many of the processes last started are known again. */
const REMEMBERED = 64

/** iptables-save(8) and iptables-restore(8) of both families. Failures are of kind 'internal', with what the program said. */
export class IptablesPrograms {
  readonly #name: IptablesName
  readonly #started: number[] = []

  constructor(name: IptablesName) {
    this.#name = name
  }

  async save(family: Family, ...args: readonly string[]): Promise<string> {
    return await this.#run(family, 'save', args, '')
  }

  async restore(family: Family, input: string): Promise<void> {
    await this.#run(family, 'restore', ['--noflush', '--wait', `${LOCK_TIMEOUT}`], input)
  }

  /** Whether a netlink socket's port is that of a process started here: the kernel gives a process's first socket its id. */
  hasStarted(port: number): boolean {
    return this.#started.includes(port)
  }

  async #run(family: Family, verb: string, args: readonly string[], input: string): Promise<string> {
    const program = `${family === 6 ? this.#name.replace('ip', 'ip6') : this.#name}-${verb}`
    try {
      const child = execa(program, args, { input, env: { LC_ALL: 'C' }, stripFinalNewline: false })
      if (child.pid !== undefined && this.#started.push(child.pid) > REMEMBERED) this.#started.shift()
      return (await child).stdout
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim()
      const text = `${program} failed: ${said || errorMessage(error)}`
      throw new TsnetError('internal', 'iptables', text, { cause: error })
    }
  }
}

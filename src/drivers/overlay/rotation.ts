/**
 * The exchange of this host's key for encrypted networks, in three steps that need no clock: the next key is announced; every host that
 * has something to say to this one tells that it knows it; the next key is announced as the one in force, and this host heeds that when it
 * hears it, as the others do. Until then nothing has changed for anybody.
 */
import type { Cluster } from '../../cluster/cluster.ts'
import { rotationKey } from '../../cluster/keys.ts'
import { errorMessage } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { TunnelKeys } from './keys.ts'

/** Milliseconds after which a key is exchanged. */
const keyTime = 24 * 3_600_000

/** Milliseconds between two looks at what is to be done next. */
const interval = 10_000

export interface RotationParts {
  readonly cluster: Cluster
  readonly keys: TunnelKeys
  /** The other hosts to which encrypted packets go. */
  readonly partners: () => ReadonlySet<string>
  /** Makes the next key the one in force. */
  readonly switchKey: () => void
  /** Null before the driver was called. */
  readonly log: () => Logger | null
}

export class Rotation implements Disposable {
  readonly #parts: RotationParts
  readonly #undo = new DisposableStack()
  /** What stood in the way at the last look, and what the log has of it. */
  #obstacle = ''
  #said = ''

  constructor(parts: RotationParts) {
    this.#parts = parts
    const { cluster } = parts
    this.#undo.use(
      cluster.nodes.subscribe((changes) => {
        const own = changes.findLast(({ key }) => key === cluster.self.name)
        if (own?.value !== undefined) this.#heed(own.value.publicKey)
      }),
    )
    const timer = setInterval(() => void this.#look(), interval).unref()
    this.#undo.defer(() => clearInterval(timer))
  }

  [Symbol.dispose](): void {
    this.#undo.dispose()
  }

  #heed(publicKey: string): void {
    const { cluster, keys, switchKey, log } = this.#parts
    // What stands there from before a restart is not what this host has said.
    if (keys.next?.publicKey !== publicKey || cluster.self.publicKey !== publicKey) return
    try {
      switchKey()
      log()?.info({ publicKey }, 'this host has another key for encrypted networks')
    } catch (error) {
      // The device is compared with what it should be.
      log()?.error({ err: error }, 'the next key for encrypted networks could not be put in force')
    }
  }

  async #look(): Promise<void> {
    const { cluster, keys, log } = this.#parts
    if (cluster.health().state !== 'connected') return
    try {
      if (keys.next === null) this.#begin()
      else if (cluster.self.publicKey !== keys.next.publicKey) await this.#advance(keys.next.publicKey)
    } catch (error) {
      this.#say(`the key for encrypted networks could not be exchanged: ${errorMessage(error)}`, log())
    }
  }

  #begin(): void {
    const { cluster, keys } = this.#parts
    if (keys.age() < keyTime) return
    keys.prepare()
    cluster.describe({ nextPublicKey: keys.next?.publicKey ?? '' })
  }

  async #advance(next: string): Promise<void> {
    const { cluster, partners, log } = this.#parts
    const answers = await cluster.list(rotationKey(cluster.self.name, ''))
    const missing = [...partners()].filter((node) => answers.get(node) !== `${node} ${next}`)
    if (missing.length > 0) {
      const list = missing.slice(0, 5).join(', ')
      this.#say(`the key for encrypted networks stays until these hosts know the next one: ${list}`, log())
      return
    }
    cluster.describe({ publicKey: next, nextPublicKey: '' })
  }

  /** Once, and not of a host that is merely the last to answer. */
  #say(what: string, log: Logger | null): void {
    if (what === this.#obstacle && what !== this.#said) {
      log?.warn(what)
      this.#said = what
    }
    this.#obstacle = what
  }
}

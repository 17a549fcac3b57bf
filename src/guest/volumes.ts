/** tsnet's local volumes for containers of another engine (Docker's volume plugin API, from the plugin's side). */
import { errorKind } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import { type Fields, idOf, labelsOf, textOf } from './fields.ts'
import type { GuestParts, Verbs } from './parts.ts'

/** Volumes of other drivers are not tsnet's to pass on. */
const driver = 'local'

export class GuestVolumes {
  readonly #parts: Pick<GuestParts, 'volumes'>

  constructor(parts: Pick<GuestParts, 'volumes'>) {
    this.#parts = parts
  }

  verbs(): Verbs {
    const volumes = (): ReturnType<GuestParts['volumes']> => this.#parts.volumes()
    return {
      Capabilities: async () => ({ Capabilities: { Scope: 'local' } }),
      Create: async (body) => {
        const name = textOf(body, 'Name')
        await volumes().create({ name, driver, options: labelsOf(body, 'Opts'), labels: {} })
        return {}
      },
      Get: async (body) => ({ Volume: this.#told(volumes().get(textOf(body, 'Name'))) }),
      List: async () => ({
        Volumes: volumes()
          .list()
          .filter((volume) => volume.driver === driver)
          .map((volume) => this.#told(volume)),
      }),
      Path: async (body) => ({ Mountpoint: volumes().get(textOf(body, 'Name')).mountpoint }),
      Mount: async (body) => ({
        Mountpoint: await volumes().lend(textOf(body, 'Name'), idOf(body, 'ID')),
      }),
      Unmount: async (body) => {
        await volumes().takeBack(textOf(body, 'Name'), idOf(body, 'ID'))
        return {}
      },
      Remove: (body) => this.#remove(body),
    }
  }

  /** The other engine counts its containers itself: of whom it has not told that they are done, it has lost sight. */
  async #remove(body: Fields): Promise<object> {
    const name = textOf(body, 'Name')
    const volumes = this.#parts.volumes()
    for (const user of volumes.borrowers(name)) await volumes.takeBack(name, user)
    try {
      await volumes.remove(name, { force: false, now: false })
    } catch (error) {
      // Dockerd asks again when the daemon was killed over the first question.
      if (errorKind(error) !== 'not-found') throw error
    }
    return {}
  }

  #told({ name, mountpoint, createdAt }: VolumeRecord): object {
    const users = this.#parts.volumes().borrowers(name).length
    return { Name: name, Mountpoint: mountpoint, CreatedAt: createdAt, Status: users === 0 ? {} : { users } }
  }
}

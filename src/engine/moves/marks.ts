/** Containers on their way from or to another host: nobody else touches them. What the journal tells of before is among them. */
import { TsnetError } from '../../errors.ts'
import type { ContainerRecord } from '../../store/records.ts'

export class MoveMarks {
  /** The other host's name, by the container's id. */
  readonly leaving = new Map<string, string>()
  /** Of these: those of which only etcd knows whose they are. */
  readonly undecided = new Set<string>()
  /** Containers by their ids, as far as it is known what they are called. */
  readonly arriving = new Map<string, { readonly name: string; readonly from: string }>()

  /** Throws kind 'conflict' for a container that is being moved away. */
  refuseLeaving({ id, name }: Pick<ContainerRecord, 'id' | 'name'>): void {
    const host = this.leaving.get(id)
    if (host === undefined) return
    throw new TsnetError(
      'conflict',
      'container-moving',
      `container ${name} is being moved to host ${host}: wait until it is there, or back`,
    )
  }

  /** Throws kind 'conflict' for a name that is about to come. */
  refuseArriving(name: string): void {
    for (const [id, one] of this.arriving) {
      if (one.name !== name) continue
      throw new TsnetError(
        'conflict',
        'name-in-use',
        `Conflict. The container name "/${name}" is already in use by container "${id}", which is being moved here from host ${one.from}. You have to remove (or rename) that container to be able to reuse that name.`,
      )
    }
  }
}

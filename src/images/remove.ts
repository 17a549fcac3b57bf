/** Removal with the rules of Docker: names go first, the image with its last name. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, ImageRecord } from '../store/records.ts'
import { shortId } from '../values/id.ts'
import type { Depot } from './depot.ts'
import type { RemovedImage } from './image.ts'
import { findImage, isIdOf, storedName } from './names.ts'
import { familiarName, parseReference } from './reference.ts'

/** Throws kind 'conflict' with Docker's text when something still needs the image. */
export function removeImage(depot: Depot, ref: string, force: boolean): readonly RemovedImage[] {
  const image = findImage(depot.store, ref)
  const removal = new Removal(depot, image, force)
  if (isIdOf(image.id, ref)) removal.byId()
  else removal.byName(ref)
  depot.noteGarbage()
  return removal.removed
}

function isRunning(container: ContainerRecord): boolean {
  return container.state.status === 'running'
}

class Removal {
  readonly #depot: Depot
  readonly #force: boolean
  readonly #users: readonly ContainerRecord[]
  #image: ImageRecord
  readonly removed: RemovedImage[] = []

  constructor(depot: Depot, image: ImageRecord, force: boolean) {
    this.#depot = depot
    this.#image = image
    this.#force = force
    this.#users = depot.usersOf(image.id)
  }

  byName(ref: string): void {
    const { id, tags, digests } = this.#image
    const [user] = this.#users
    if (!this.#force && user !== undefined && isSingleName(this.#image)) {
      throw conflict(
        `conflict: unable to remove repository reference "${ref}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(id)}`,
      )
    }
    const name = storedName(parseReference(ref))
    const repository = repositoryOf(name)
    this.#untag([name])
    const hasTag = tags.some((tag) => tag !== name && repositoryOf(tag) === repository)
    // A repository's digests mean nothing once its last tag has gone.
    if (tags.includes(name) && !hasTag)
      this.#untag(digests.filter((digest) => repositoryOf(digest) === repository))
    const isLast = this.#image.tags.length + this.#image.digests.length === 0
    // What is still in use stays without a name.
    if (isLast && this.#users.length === 0) this.#delete()
  }

  byId(): void {
    this.#refuseIfUsed()
    if (!this.#force && !isSingleName(this.#image)) {
      throw this.#cannotDelete('must be forced', 'image is referenced in multiple repositories')
    }
    this.#untag([...this.#image.tags, ...this.#image.digests])
    // A stopped container may start again: its image goes on without a name.
    if (this.#users.length === 0) this.#delete()
  }

  #refuseIfUsed(): void {
    const running = this.#users.find(isRunning)
    if (running !== undefined) {
      throw this.#cannotDelete(
        'cannot be forced',
        `image is being used by running container ${shortId(running.id)}`,
      )
    }
    const [stopped] = this.#users
    if (stopped !== undefined && !this.#force) {
      throw this.#cannotDelete(
        'must be forced',
        `image is being used by stopped container ${shortId(stopped.id)}`,
      )
    }
  }

  #cannotDelete(hardness: string, reason: string): TsnetError {
    return conflict(`conflict: unable to delete ${shortId(this.#image.id)} (${hardness}) - ${reason}`)
  }

  #untag(names: readonly string[]): void {
    const rest = (all: readonly string[]): readonly string[] => all.filter((name) => !names.includes(name))
    this.#image = { ...this.#image, tags: rest(this.#image.tags), digests: rest(this.#image.digests) }
    this.#depot.store.images.put(this.#image.id, this.#image)
    for (const untagged of names) {
      this.removed.push({ untagged })
      this.#depot.announce('untag', this.#image)
    }
  }

  #delete(): void {
    this.#depot.store.images.delete(this.#image.id)
    this.removed.push({ deleted: this.#image.id })
    this.#depot.announce('delete', this.#image)
  }
}

function conflict(message: string): TsnetError {
  return new TsnetError('conflict', 'image-in-use', message)
}

function repositoryOf(name: string): string {
  return familiarName(parseReference(name))
}

/** At most one tag, and all names in one repository: to remove one is to remove all. */
function isSingleName({ tags, digests }: ImageRecord): boolean {
  return tags.length <= 1 && new Set([...tags, ...digests].map(repositoryOf)).size <= 1
}

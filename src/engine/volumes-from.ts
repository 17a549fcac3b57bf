/** `--volumes-from`: the mounts of other containers. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, MountPoint } from '../store/records.ts'
import type { Collection } from '../store/store.ts'
import type { ImageId } from '../values/id.ts'
import { type MountMode, parseMountMode } from '../values/mount-mode.ts'
import { findContainer } from './references.ts'

/**
 * The mounts that `container[:mode]` entries bring, each target once: a later container's wins. A tmpfs is its container's
 * alone. A volume that is still empty, because that container never ran, gets the content of the image when both have the same,
 * `image`. Throws kind 'invalid' with Docker's texts, kind 'not-found' for a container that there is not.
 */
export function takeMounts(
  containers: Collection<ContainerRecord>,
  entries: readonly string[],
  image: ImageId,
): readonly MountPoint[] {
  const taken = new Map<string, MountPoint>()
  for (const entry of entries) {
    const { ref, readOnly } = parseEntry(entry)
    const container = findContainer(containers, ref)
    for (const mount of container.mounts) {
      const noCopy = mount.noCopy || container.state.startedAt !== '' || container.image !== image
      if (mount.type !== 'tmpfs') taken.set(mount.target, takenMount(mount, readOnly, noCopy))
    }
  }
  return [...taken.values()]
}

/** It only refers to what the other container's mount has made: nothing is owned or created again. */
function takenMount(mount: MountPoint, readOnly: boolean, noCopy: boolean): MountPoint {
  return {
    ...mount,
    readOnly: mount.readOnly || readOnly,
    noCopy,
    own: '',
    mode: '',
    syntax: 'volumes-from',
  }
}

function parseEntry(entry: string): { ref: string; readOnly: boolean } {
  if (entry === '') throw invalid('volumes-from specification cannot be an empty string')
  const [ref = '', ...rest] = entry.split(':')
  if (ref === '') throw invalid(`invalid volumes-from specification: ${entry}: it names no container`)
  const text = rest.join(':')
  const mode = parseMountMode(text)
  if (mode === undefined || changesMore(mode)) throw invalid(`invalid mode: ${text}`)
  return { ref, readOnly: mode.readOnly }
}

/** All but being read-only stays as the other container has it. */
function changesMore({ propagation, noCopy, idmap, own }: MountMode): boolean {
  return noCopy || propagation !== '' || idmap !== '' || own !== ''
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-volumes-from', message)
}

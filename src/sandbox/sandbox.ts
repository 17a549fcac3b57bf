/** A container's network side: one network namespace, pinned below the exec-root so that it lives without processes. */
import type { Fd } from '../sys/fd.ts'

export interface Sandbox extends Disposable {
  /** the container's id */
  readonly id: string
  /** Where the namespace is pinned: `<exec-root>/netns/<id>`. */
  readonly path: string
  readonly netns: Fd
}

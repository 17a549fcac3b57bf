/** Images, as far as containers and lists need them. */
import type { ImageId } from '../values/id.ts'
import type { Labels } from './labels.ts'

/** The parts of an OCI image config that a container inherits. */
export interface ImageConfig {
  readonly env: readonly string[]
  readonly entrypoint: readonly string[] | null
  readonly command: readonly string[] | null
  readonly workingDir: string
  readonly user: string
  readonly exposedPorts: readonly string[]
  readonly volumes: readonly string[]
  readonly labels: Labels
  readonly stopSignal: string
  /** true when a command string is to be run by a shell; only echoed */
  readonly argsEscaped: boolean
}

export interface ImageRecord {
  readonly id: ImageId
  /** `name:tag` in familiar form, e.g. `alpine:3.20`, `localhost:5000/a/b:1` */
  readonly tags: readonly string[]
  /** `name@sha256:…` */
  readonly digests: readonly string[]
  readonly createdAt: string
  readonly architecture: string
  readonly os: string
  readonly author: string
  readonly comment: string
  /** Directory names of the extracted layers below `<data-root>/layers`, bottom first. */
  readonly layers: readonly string[]
  /** diff ids, bottom first, as in the config's rootfs */
  readonly diffIds: readonly string[]
  /** digest of the manifest in the content store, which names the config and the compressed layers */
  readonly manifest: string
  /** bytes of all extracted layers */
  readonly size: number
  readonly config: ImageConfig
}

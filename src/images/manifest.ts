/** The documents of an image: index, manifest and config, of Docker's schema 2 and of OCI, checked as they are parsed. */
import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { TsnetError } from '../errors.ts'
import type { ImageConfig } from '../store/records.ts'
import { type Digest, digestOf } from './digest.ts'

export const mediaTypes = {
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
} as const

const digest = Type.Unsafe<Digest>(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }))
const size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const strings = Type.Record(Type.String(), Type.String())
const nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

const platform = Type.Object({
  architecture: Type.String(),
  os: Type.String(),
  variant: Type.Optional(Type.String()),
})
const descriptor = Type.Object({
  mediaType: Type.String(),
  digest,
  size,
  annotations: nullable(strings),
  platform: nullable(platform),
})
const index = Type.Object({ mediaType: Type.Optional(Type.String()), manifests: Type.Array(descriptor) })
const manifest = Type.Object({
  mediaType: Type.Optional(Type.String()),
  config: descriptor,
  layers: Type.Array(descriptor),
})
const config = Type.Object({
  architecture: Type.Optional(Type.String()),
  variant: Type.Optional(Type.String()),
  os: Type.Optional(Type.String()),
  created: nullable(Type.String()),
  author: Type.Optional(Type.String()),
  comment: Type.Optional(Type.String()),
  rootfs: Type.Object({ type: Type.Literal('layers'), diff_ids: nullable(Type.Array(digest)) }),
  config: nullable(
    Type.Object({
      Env: nullable(Type.Array(Type.String())),
      Entrypoint: nullable(Type.Array(Type.String())),
      Cmd: nullable(Type.Array(Type.String())),
      WorkingDir: nullable(Type.String()),
      User: nullable(Type.String()),
      ExposedPorts: nullable(Type.Record(Type.String(), Type.Unknown())),
      Volumes: nullable(Type.Record(Type.String(), Type.Unknown())),
      Labels: nullable(strings),
      StopSignal: nullable(Type.String()),
      ArgsEscaped: nullable(Type.Boolean()),
    }),
  ),
})

export type Descriptor = Static<typeof descriptor>
export type Index = Static<typeof index>
export type Manifest = Static<typeof manifest>
export type ConfigDocument = Static<typeof config>

function parseDocument<S extends TSchema>(schema: S, bytes: Buffer, what: string): Static<S> {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch (cause) {
    throw new TsnetError('invalid', 'image-document', `${what} is not JSON`, { cause })
  }
  if (Value.Check(schema, value)) return value
  const [first] = Value.Errors(schema, value)
  const where = first === undefined ? '' : `: ${first.instancePath || 'it'} ${first.message}`
  throw new TsnetError('invalid', 'image-document', `${what} is malformed${where}`)
}

export function parseIndex(bytes: Buffer): Index {
  return parseDocument(index, bytes, 'image index')
}

export function parseManifest(bytes: Buffer): Manifest {
  return parseDocument(manifest, bytes, 'image manifest')
}

export function parseConfig(bytes: Buffer): ConfigDocument {
  return parseDocument(config, bytes, 'image config')
}

/** The layers' digests before compression, bottom first. */
export function diffIdsOf(document: ConfigDocument): readonly Digest[] {
  return document.rootfs.diff_ids ?? []
}

/** The digest of each layer together with those below it: equal chains have equal content. */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`))
  }
  return chain
}

/** Whether the bytes are an index, by their declared type or, where there is none, by their shape. */
export function isIndex(mediaType: string, bytes: Buffer): boolean {
  if (mediaType === mediaTypes.dockerIndex || mediaType === mediaTypes.ociIndex) return true
  if (mediaType === mediaTypes.dockerManifest || mediaType === mediaTypes.ociManifest) return false
  return bytes.includes('"manifests"') && !bytes.includes('"layers"')
}

/** What a container inherits from the image. */
export function runtimeConfig(document: ConfigDocument): ImageConfig {
  const from = document.config ?? {}
  return {
    env: from.Env ?? [],
    entrypoint: from.Entrypoint ?? null,
    command: from.Cmd ?? null,
    workingDir: from.WorkingDir ?? '',
    user: from.User ?? '',
    exposedPorts: Object.keys(from.ExposedPorts ?? {}),
    volumes: Object.keys(from.Volumes ?? {}),
    labels: from.Labels ?? {},
    stopSignal: from.StopSignal ?? '',
    argsEscaped: from.ArgsEscaped ?? false,
  }
}

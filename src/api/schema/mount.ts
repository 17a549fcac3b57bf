/** An entry of HostConfig.Mounts. */
import Type, { type Static } from 'typebox'
import { flag, integer, list, optional, text, textMap } from './fields.ts'

export const Mount = Type.Object({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: optional(
    Type.Object({
      Propagation: text,
      NonRecursive: flag,
      CreateMountpoint: flag,
      ReadOnlyNonRecursive: flag,
      ReadOnlyForceRecursive: flag,
    }),
  ),
  VolumeOptions: optional(
    Type.Object({
      NoCopy: flag,
      Labels: textMap,
      Subpath: text,
      DriverConfig: optional(Type.Object({ Name: text, Options: textMap })),
    }),
  ),
  ImageOptions: optional(Type.Object({ Subpath: text })),
  TmpfsOptions: optional(
    Type.Object({ SizeBytes: integer, Mode: integer, Options: list(Type.Array(Type.String())) }),
  ),
})
export type Mount = Static<typeof Mount>

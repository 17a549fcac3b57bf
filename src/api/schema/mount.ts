/** An entry of HostConfig.Mounts. `IDMap`, `[uid:|gid:]DISK:SEEN:COUNT[;…]`, and `Own`, `uid:gid`, are tsnet's own. */
import Type, { type Static } from 'typebox'
import { flag, integer, list, optional, text, textMap, unknown } from './fields.ts'

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
      IDMap: text,
      Own: text,
    }),
  ),
  VolumeOptions: optional(
    Type.Object({
      NoCopy: flag,
      Labels: textMap,
      Subpath: text,
      DriverConfig: optional(Type.Object({ Name: text, Options: textMap })),
      IDMap: text,
      Own: text,
    }),
  ),
  ImageOptions: optional(Type.Object({ Subpath: text })),
  ClusterOptions: unknown,
  TmpfsOptions: optional(
    Type.Object({ SizeBytes: integer, Mode: integer, Options: list(Type.Array(Type.String())) }),
  ),
})
export type Mount = Static<typeof Mount>

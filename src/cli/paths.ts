/** Paths of the API. Names come from the user and may hold anything, but not nothing. */
import { TsnetError } from '../errors.ts'

/** An empty name, as of a shell's variable that is not set, would make the path of something else: that of all networks, for one. */
export function checkName(kind: string, name: string): string {
  if (name.trim() !== '') return name
  throw new TsnetError('invalid', 'empty-name', `invalid ${kind} name or ID: value is empty`)
}

function segment(kind: string, name: string): string {
  return encodeURIComponent(checkName(kind, name))
}

export function containerPath(name: string, action = ''): string {
  return withAction(`/containers/${segment('container', name)}`, action)
}

/** The slashes of an image's name stay. */
export function imagePath(name: string, action = ''): string {
  return withAction(`/images/${name.split('/').map(encodeURIComponent).join('/')}`, action)
}

export function networkPath(name: string, action = ''): string {
  return withAction(`/networks/${segment('network', name)}`, action)
}

export function driverPath(name: string): string {
  return `/tsnet/v1/drivers/${segment('driver', name)}`
}

export function volumePath(name: string): string {
  return `/volumes/${segment('volume', name)}`
}

/** tsnet's own verbs of a volume. */
export function ownVolumePath(name: string, action: string): string {
  return `/tsnet/v1/volumes/${segment('volume', name)}/${action}`
}

export function trashPath(name: string, action = ''): string {
  return withAction(ownVolumePath('trash', segment('volume', name)), action)
}

function withAction(path: string, action: string): string {
  return action === '' ? path : `${path}/${action}`
}

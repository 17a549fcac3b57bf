/** Paths of the API. Names come from the user and may hold anything. */

export function containerPath(name: string, action: string): string {
  return `/containers/${encodeURIComponent(name)}/${action}`
}

/** The slashes of an image's name stay. */
export function imagePath(name: string, action = ''): string {
  const path = `/images/${name.split('/').map(encodeURIComponent).join('/')}`
  return action === '' ? path : `${path}/${action}`
}

export function networkPath(name: string, action = ''): string {
  const path = `/networks/${encodeURIComponent(name)}`
  return action === '' ? path : `${path}/${action}`
}

export function driverPath(name: string): string {
  return `/tsnet/v1/drivers/${encodeURIComponent(name)}`
}

export function volumePath(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`
}

/** tsnet's own verbs of a volume. */
export function ownVolumePath(name: string, action: string): string {
  return `/tsnet/v1/volumes/${encodeURIComponent(name)}/${action}`
}

export function trashPath(name: string, action = ''): string {
  return ownVolumePath('trash', encodeURIComponent(name)) + (action === '' ? '' : `/${action}`)
}

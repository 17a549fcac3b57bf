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

export function volumePath(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`
}

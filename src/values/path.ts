/** Paths as text: nothing here asks a file system. */
import { posix } from 'node:path'

/** Without `.`, `..`, double slashes and a slash at its end. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}

/** Whether `path` is `directory` or something in it; both are clean and absolute. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`)
}

/**
 * What `import … from 'tsnet/driver'` means in an operator's file: the modules of this very program, so that errors and
 * descriptors are of the same classes, wherever the file lies and with no package beside it. See node:module, registerHooks.
 */
import { registerHooks } from 'node:module'
import * as driver from './api/driver.ts'
import * as netlink from './api/netlink.ts'

const provided: Readonly<Record<string, object>> = { 'tsnet/driver': driver, 'tsnet/netlink': netlink }

/** Modules come into being from text alone: this is where theirs finds what it exports. */
const shelf = Symbol.for('tsnet.extensions')

/** Part of a file's URL: another version of it is another module, and so are the modules that it imports by relative paths. */
const versionParameter = 'tsnet-version'

let registered = false

/** Safe to repeat. */
export function provideModules(): void {
  if (registered) return
  registered = true
  Object.defineProperty(globalThis, shelf, { value: provided })
  registerHooks({
    resolve(specifier, context, next) {
      if (Object.hasOwn(provided, specifier)) {
        return { url: `tsnet:${specifier}`, format: 'module', shortCircuit: true }
      }
      const resolved = next(specifier, context)
      return { ...resolved, url: withVersionOf(resolved.url, specifier, context.parentURL) }
    },
    load(url, context, next) {
      const name = url.startsWith('tsnet:') ? url.slice('tsnet:'.length) : ''
      if (!Object.hasOwn(provided, name)) return next(url, context)
      return { source: sourceOf(name), format: 'module', shortCircuit: true }
    },
  })
}

/** The URL under which a file is loaded for the `version`-th time. */
export function versionedUrl(url: string, version: number): string {
  return `${url}?${versionParameter}=${version}`
}

/** Whether a stack of calls passes through an operator's file. */
export function isFromDriver(stack: string): boolean {
  return stack.includes(`?${versionParameter}=`)
}

function withVersionOf(url: string, specifier: string, parent: string | undefined): string {
  if (parent === undefined || !/^\.{0,2}\//.test(specifier) || !url.startsWith('file:')) return url
  const version = new URL(parent).searchParams.get(versionParameter)
  return version === null ? url : versionedUrl(url, Number(version))
}

function sourceOf(name: string): string {
  const names = Object.keys(provided[name] ?? {})
  return `export const { ${names.join(', ')} } = globalThis[Symbol.for('tsnet.extensions')]['${name}']\n`
}

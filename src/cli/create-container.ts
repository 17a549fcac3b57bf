/** Creates a container, pulling its image and making its networks where they are missing. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import type { Client } from './client.ts'
import { printError } from './command.ts'
import type { CreateBody } from './create-body.ts'
import { createMissingNetwork } from './missing-network.ts'
import { badValue } from './values/bad-value.ts'
import { splitReference, withDefaultTag } from './values/reference.ts'

/** The flags of `run` and `create` that the API does not get. */
export interface CreateOptions {
  readonly name: string
  readonly platform: string
  /** always, missing or never */
  readonly pull: string
  /** show no progress of the pull */
  readonly quiet: boolean
  /** a file that gets the id, '' for none */
  readonly cidfile: string
}

/** Throws Docker's sentence unless it is a policy that `--pull` knows. */
export function checkPullPolicy(policy: string): void {
  if (['always', 'missing', 'never', ''].includes(policy)) return
  throw badValue(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`)
}

/** Returns the container's id. */
export async function createContainer(
  client: Client,
  body: CreateBody,
  options: CreateOptions,
): Promise<string> {
  const cidfile = openIdFile(options.cidfile)
  try {
    if (options.pull === 'always') await pull(client, body.Image, options)
    const { Id, Warnings } = await createWithNeeds(client, body, options)
    for (const warning of Warnings ?? []) printError(`WARNING: ${warning}`)
    cidfile?.write(Id)
    return Id
  } catch (error) {
    cidfile?.remove()
    throw error
  }
}

interface Created {
  readonly Id: string
  readonly Warnings?: readonly string[] | null
}

/** Creates; when the daemon lacks the image or a network, sees to that and tries again. */
async function createWithNeeds(client: Client, body: CreateBody, options: CreateOptions): Promise<Created> {
  const query = { name: options.name, platform: options.platform }
  let isPulled = false
  for (;;) {
    try {
      return await client.call<Created>('POST', '/containers/create', { query, body })
    } catch (error) {
      if (!(error instanceof TsnetError)) throw error
      if (await createMissingNetwork(client, error)) continue
      if (error.kind !== 'not-found') throw error
      const isMissingImage = /No such image|image not found|not found: does not exist/i.test(error.message)
      if (!isMissingImage || isPulled || options.pull !== 'missing') throw error
      isPulled = true
      if (!options.quiet) {
        printError(`Unable to find image '${withDefaultTag(splitReference(body.Image))}' locally`)
      }
      await pull(client, body.Image, options)
    }
  }
}

async function pull(client: Client, image: string, { platform, quiet }: CreateOptions): Promise<void> {
  const { pullImage } = await import('./pull-image.ts')
  await pullImage(client, image, platform, quiet ? { write: () => {} } : process.stderr)
}

function openIdFile(path: string) {
  if (path === '') return undefined
  const file = createExclusively(path)
  return {
    write: (id: string) => {
      writeSync(file, id)
      closeSync(file)
    },
    remove: () => {
      closeSync(file)
      rmSync(path, { force: true })
    },
  }
}

function createExclusively(path: string): number {
  try {
    return openSync(path, 'wx', 0o644)
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    if (!isThere) throw badValue(`failed to create the container ID file: ${(error as Error).message}`)
    throw badValue(`container ID file found, make sure the other container isn't running or delete ${path}`)
  }
}

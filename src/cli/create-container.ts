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

/** Creates; when the daemon lacks an image or a network, sees to that and tries again. */
async function createWithNeeds(client: Client, body: CreateBody, options: CreateOptions): Promise<Created> {
  const query = { name: options.name, platform: options.platform }
  const pulled = new Set<string>()
  for (;;) {
    try {
      return await client.call<Created>('POST', '/containers/create', { query, body })
    } catch (error) {
      if (!(error instanceof TsnetError)) throw error
      if (await createMissingNetwork(client, error)) continue
      const image = missingImage(error, body)
      if (image === undefined || pulled.has(image) || options.pull !== 'missing') throw error
      pulled.add(image)
      if (!options.quiet) printError(`Unable to find image '${fullName(image)}' locally`)
      await pull(client, image, options)
    }
  }
}

/** Which image of the request the daemon lacks, as far as its words tell: the container's own, or one to be mounted. */
function missingImage(error: TsnetError, body: CreateBody): string | undefined {
  const name = /No such image: (\S+)/i.exec(error.message)?.[1]
  const mounted = body.HostConfig.Mounts.filter(({ Type }) => Type === 'image').map(
    ({ Source }) => Source ?? '',
  )
  const meant = mounted.find((image) => image === name || fullName(image) === name)
  if (meant !== undefined && fullName(body.Image) !== name) return meant
  const isOwn = error.kind === 'not-found' && missingImageWords.test(error.message)
  return isOwn ? body.Image : undefined
}

const missingImageWords = /No such image|image not found|not found: does not exist/i

function fullName(image: string): string {
  return withDefaultTag(splitReference(image))
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

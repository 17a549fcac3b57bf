import type { Client } from './client.ts'
import { type Display, showProgress } from './progress.ts'
import { registryAuth } from './registry-auth.ts'
import { splitReference } from './values/reference.ts'

/** Has the daemon download an image, and shows how far it is. Without a tag it is `latest`. */
export async function pullImage(
  client: Client,
  image: string,
  platform: string,
  display: Display,
): Promise<void> {
  const { name, tag, digest } = splitReference(image)
  const query = { fromImage: name, tag: digest || tag || 'latest', platform }
  const headers = registryAuth(name, process.env)
  await showProgress(await client.stream('POST', '/images/create', { query, headers }), display)
}

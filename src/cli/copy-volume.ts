import type { Client } from './client.ts'
import { showProgress } from './progress.ts'

/** Has the daemon copy a volume's data, shows how far it is, and returns what came of it. The result alone goes to stdout. */
export async function copyVolume<T>(client: Client, path: string, body: object): Promise<T> {
  const result = await showProgress(await client.stream('POST', path, { body }), process.stderr)
  return result as T
}

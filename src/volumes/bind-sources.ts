/** Sources of bind mounts on this host, which may lie on file systems whose servers are dead. */
import { TsnetError } from '../errors.ts'
import type { MountPoint } from '../store/records.ts'
import type { Workers } from './workers.ts'

/** Milliseconds that a file system has to say whether a path is there. */
const deadline = 10_000

/** `-v` makes a missing directory when the container starts, `--mount` refuses at once. Throws kind 'invalid' with Docker's sentence. */
export async function requireBindSources(workers: Workers, mounts: readonly MountPoint[]): Promise<void> {
  const paths = mounts
    .filter(({ type, createSource }) => type === 'bind' && !createSource)
    .map(({ source }) => source)
  if (paths.length === 0) return
  const subject = `bind source ${paths.join(', ')}`
  const kinds = await workers.run('stat-sources', { paths }, { subject, deadline })
  const missing = paths.find((_, index) => kinds[index] === 'missing')
  if (missing === undefined) return
  throw new TsnetError(
    'invalid',
    'bind-source-missing',
    `invalid mount config for type "bind": bind source path does not exist: ${missing}`,
  )
}

/**
 * Volumes that are fetched from a remote of rclone (S3, SFTP, WebDAV, a directory …) before their first user, and are sent back after
 * the last. For data that one host uses at a time.
 *
 *     docker volume create -d rclone-sync -o remote=s3:bucket/path photos
 */
import { execFile } from 'node:child_process'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DriverError, defineDriver, Type } from 'tsnet/driver'

const run = promisify(execFile)

const options = Type.Object({
  remote: Type.String({ pattern: '^.+$' }),
  base: Type.String({ default: '/var/lib/tsnet-rclone' }),
  /** Whether the remote's copy goes with the volume. */
  purge: Type.Boolean({ default: false }),
})

export default defineDriver({
  apiVersion: 1,
  description: 'Volumes on a remote of rclone',
  timeout: 600_000,
  volume: {
    scope: 'global',
    options,

    async create({ name, options: { base } }) {
      const path = join(base, name)
      await mkdir(path, { recursive: true })
      return path
    },

    async mount({ path, options: { remote } }, { signal }) {
      // Fetched already: users are there, or were when the host lost its power. What they wrote is not to be undone.
      if (await exists(marker(path))) return path
      await rclone(['mkdir', remote], signal)
      await rclone(['sync', remote, path], signal)
      await writeFile(marker(path), remote)
      return path
    },

    async unmount({ path, options: { remote } }, { signal }) {
      if (!(await exists(marker(path)))) return
      await rclone(['sync', path, remote], signal)
      await rm(marker(path), { force: true })
    },

    async remove({ name, options: { base, remote, purge } }, { signal }) {
      const path = join(base, name)
      await rm(path, { recursive: true, force: true })
      await rm(marker(path), { force: true })
      if (purge) await rclone(['purge', remote], signal).catch(ignoreMissing)
    },
  },
})

const marker = (path: string): string => `${path}.fetched`

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

async function rclone(args: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await run('rclone', [...args, '--links', '--metadata'], { signal })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new DriverError('unavailable', `rclone ${args.join(' ')}: ${stderr.trim() || String(error)}`)
  }
}

function ignoreMissing(error: Error): void {
  if (!error.message.includes('not found')) throw error
}

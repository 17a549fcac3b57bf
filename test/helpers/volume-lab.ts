/** A local volume driver with a data root of its own. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MNT_DETACH } from '../../src/sys/constants/mount.ts'
import { umount } from '../../src/sys/mount.ts'
import { readMounts } from '../../src/sys/mountinfo.ts'
import { createLocalVolumes } from '../../src/volumes/local/local.ts'
import type { VolumeDriver } from '../../src/volumes/volume.ts'
import { Workers } from '../../src/volumes/workers.ts'

/** One for all: it takes longer to start than most tests. It ends with the test's process. */
const workers = new Workers(join(import.meta.dirname, '../../src/volumes/worker/main.ts'))

export class LocalLab {
  readonly root = mkdtempSync(join(tmpdir(), 'tsnet-volumes-'))
  readonly driver: VolumeDriver = createLocalVolumes(this.root, workers)

  constructor() {
    mkdirSync(join(this.root, 'volumes'))
  }

  restart(): VolumeDriver {
    return this.driverAt(this.root)
  }

  driverAt(dataRoot: string): VolumeDriver {
    return createLocalVolumes(dataRoot, workers)
  }

  /** Where something of this lab's is mounted, by the type of the file system. */
  mounts(): string[] {
    return readMounts()
      .filter(({ target }) => target.startsWith(`${this.root}/`))
      .map(({ target, type }) => `${type} ${target.slice(this.root.length + 1)}`)
  }

  /** A sparse file that holds a file system. */
  image(type: 'ext4' | 'xfs' | 'btrfs', name: string = type): string {
    const path = join(this.root, `${name}.img`)
    execFileSync('truncate', ['-s', type === 'xfs' ? '320m' : '128m', path])
    execFileSync(`mkfs.${type}`, ['-q', path], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } })
    return path
  }

  close(): Promise<void> {
    for (const { target } of readMounts().reverse()) {
      if (target.startsWith(`${this.root}/`)) umount(target, MNT_DETACH)
    }
    rmSync(this.root, { recursive: true })
    return Promise.resolve()
  }
}

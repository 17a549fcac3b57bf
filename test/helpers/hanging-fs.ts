/** A file system whose server never answers: who looks into it waits, until it is killed or the server is gone. */
import { mkdirSync, openSync, rmdirSync } from 'node:fs'
import { MNT_DETACH } from '../../src/sys/constants/mount.ts'
import { Fd } from '../../src/sys/fd.ts'
import { mount, umount } from '../../src/sys/mount.ts'

export class HangingFs implements Disposable {
  readonly path: string
  /** The server's end of /dev/fuse, from which nobody reads. */
  readonly #server: Fd

  /** Mounts it at `path`, a directory which is made, in this process's mount namespace. */
  constructor(path: string) {
    this.path = path
    mkdirSync(path)
    this.#server = new Fd(openSync('/dev/fuse', 'r+'))
    mount('hanging', path, 'fuse', 0, `fd=${this.#server.number},rootmode=40000,user_id=0,group_id=0`)
  }

  /** The server goes: who waits gets an error, and so does who comes later. */
  abandon(): void {
    this.#server.close()
  }

  [Symbol.dispose](): void {
    this.abandon()
    umount(this.path, MNT_DETACH)
    rmdirSync(this.path)
  }
}

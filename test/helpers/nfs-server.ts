/**
 * The kernel's own NFS server, of version 4, in a network namespace. What rpc.mountd would answer to the kernel's questions is written into
 * the kernel's tables beforehand (<linux/nfsd/export.h>, nfsd(7)), so that no package is needed.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmdirSync } from 'node:fs'

/** NFSEXP_INSECURE_PORT, NFSEXP_ASYNC, NFSEXP_NOSUBTREECHECK, NFSEXP_FSID */
const exportFlags = 0x2 | 0x10 | 0x400 | 0x2000
const never = 2_147_483_647

export class NfsServer implements Disposable {
  /** The server lives as long as its files are mounted. */
  readonly #files: string

  /** Exports `directory` as the server's root to the address `client`, in the namespace `netns`. */
  constructor(netns: string, directory: string, client: string) {
    this.#files = `${directory}.nfsd`
    mkdirSync(this.#files)
    const script = `mount -t nfsd nfsd ${this.#files}
      cd ${this.#files}
      echo '-2 -3 +4 +4.1 +4.2' > versions
      echo 10 > nfsv4leasetime
      echo 10 > nfsv4gracetime
      echo 2 > threads
      cd /proc/net/rpc
      echo 'nfsd ${client} ${never} everybody' > auth.unix.ip/channel
      echo 'everybody ${directory} ${never} ${exportFlags} 65534 65534 0' > nfsd.export/channel
      # file system 0 by number: the root that clients ask for
      echo 'everybody 1 \\\\x00000000 ${never} ${directory}' > nfsd.fh/channel`
    // nsenter, as `ip netns exec` would mount in a namespace that ends with the script
    execFileSync('nsenter', [`--net=/run/netns/${netns}`, 'sh', '-ec', script], { stdio: 'inherit' })
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.#files])
    rmdirSync(this.#files)
  }
}

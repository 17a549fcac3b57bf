/** What the hosts of a test's cluster show etcd: each is a user h1, h2, … with a certificate, and a password in a file. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Certificates, type KeyPair } from './certificates.ts'
import { etcdAddresses } from './cluster.ts'

export class HostCredentials implements Disposable {
  readonly certificates = new Certificates(etcdAddresses)
  readonly #strangers = new Certificates(etcdAddresses)
  readonly #folder = mkdtempSync(join(tmpdir(), 'tsnet-passwords-'))

  /** Parameters of a host's `--cluster`, with all their files. */
  issue(user: string, password: string): Readonly<Record<string, string>> {
    return {
      ...this.certificates.issue(user),
      user,
      'password-file': this.writePassword(user, password),
    }
  }

  /** Returns the file's path. */
  writePassword(user: string, password: string): string {
    const path = join(this.#folder, user)
    writeFileSync(path, `${password}\n`)
    return path
  }

  /** Gives the servers certificates of another authority, with which they have to be started; returns what gives them their own ones again. */
  exchangeServers(): () => void {
    const own = this.certificates.issue('kept', { addresses: etcdAddresses })
    const install = ({ cert, key }: KeyPair): void => {
      copyFileSync(cert, this.certificates.server.cert)
      copyFileSync(key, this.certificates.server.key)
    }
    install(this.#strangers.server)
    return () => install(own)
  }

  [Symbol.dispose](): void {
    for (const made of [this.certificates, this.#strangers]) made[Symbol.dispose]()
    rmSync(this.#folder, { recursive: true })
  }
}

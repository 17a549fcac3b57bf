/** Certificates of a test's own authority, made by openssl(1). */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Paths of files in PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export class Certificates implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tsnet-tls-'))
  /** Path of the authority's certificate. */
  readonly ca = join(this.#folder, 'ca.pem')
  readonly server: KeyPair
  readonly client: KeyPair

  /** A server's certificate for these addresses, and one for a client. */
  constructor(addresses: readonly string[]) {
    const key = join(this.#folder, 'ca.key')
    this.#openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      ...[...['-keyout', key, '-out', this.ca, '-days', '30', '-subj', '/CN=authority']],
    )
    this.server = this.issue('server', { addresses })
    this.client = this.issue('client')
  }

  /** `days` from now until its end: -1 for one that has expired. */
  issue(
    name: string,
    { addresses = [], days = 30 }: { addresses?: readonly string[]; days?: number } = {},
  ): KeyPair {
    const file = (ending: string) => join(this.#folder, `${name}.${ending}`)
    const [cert, key, request, extensions] = [file('pem'), file('key'), file('csr'), file('ext')]
    const names = addresses.map((address) => `IP:${address}`)
    writeFileSync(
      extensions,
      `extendedKeyUsage=serverAuth,clientAuth\n${names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`}`,
    )
    this.#openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      ...[...['-keyout', key, '-out', request, '-subj', `/CN=${name}`]],
    )
    this.#openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      this.ca,
      '-CAkey',
      join(this.#folder, 'ca.key'),
      ...[...['-CAcreateserial', '-out', cert, '-days', String(days), '-extfile', extensions]],
    )
    return { cert, key }
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' })
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}

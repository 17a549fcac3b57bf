/** Certificates made for one run of the tests, by openssl(1). */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority, what it has signed for localhost, and one that signed itself. */
export function makeCertificates(): {
  ca: string
  server: Certificate
  client: Certificate
  stranger: Certificate
} {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-certificates-'))
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' })
  }
  const selfSign = (name: string): void =>
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    )
  const sign = (name: string): void => {
    openssl('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'authority.pem', '-CAkey', 'authority.key'],
      ...['-CAcreateserial', '-extfile', 'names', '-out', `${name}.pem`],
    )
  }
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8')
  const certificate = (name: string): Certificate => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) })
  try {
    writeFileSync(join(directory, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
    selfSign('authority')
    selfSign('stranger')
    sign('server')
    sign('client')
    return {
      ca: read('authority.pem'),
      server: certificate('server'),
      client: certificate('client'),
      stranger: certificate('stranger'),
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** This host's certificates for etcd, which end at a day that is known before. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ClusterUrl } from './url.ts'

const day = 24 * 3600 * 1000
/** An end is told of so long before, in milliseconds. */
const notice = 14 * day

/** What ends soon or has ended, a sentence for each file. One that cannot be read is told of by the next connection. */
export function endingCertificates({ tls }: Pick<ClusterUrl, 'tls'>): string[] {
  return [tls?.cert, tls?.ca].flatMap((file) => {
    const end = file ? endOf(file) : null
    if (end === null || end.getTime() > Date.now() + notice) return []
    const verb = end.getTime() < Date.now() ? 'has expired on' : 'expires on'
    return `the certificate in ${file}, by which this host and etcd know each other, ${verb} ${end.toISOString()}: put a new one there`
  })
}

function endOf(file: string): Date | null {
  try {
    return new X509Certificate(readFileSync(file)).validToDate
  } catch {
    return null
  }
}

/** Tells at once and every day. */
export function followCertificates(url: ClusterUrl, tell: (warning: string) => void): Disposable {
  const look = () => endingCertificates(url).forEach(tell)
  const timer = setInterval(look, day).unref()
  look()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/**
 * This host's keys for encrypted networks (X25519, RFC 7748): the one in force and, while it is exchanged, the next one. The private ones
 * are in a file of root's alone and in the kernel; the other hosts hear of the public ones. The file's age is that of the key in force.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'

/** base64, as WireGuard's own programs write them */
export interface KeyPair {
  readonly privateKey: string
  readonly publicKey: string
}

/** What stands before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410, section 7). */
const pkcs8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

const keyBytes = 32

export class TunnelKeys {
  readonly #path: string
  #pairs: readonly KeyPair[]

  /** Reads the file, or makes it with a new key. */
  constructor(path: string) {
    this.#path = path
    this.#pairs = readPairs(path)
    if (this.#pairs.length === 0) this.#write([makePair()])
  }

  /** The key in force. */
  get current(): KeyPair {
    return this.#pairs[0]!
  }

  /** The one that is to be in force next, null while there is none. */
  get next(): KeyPair | null {
    return this.#pairs[1] ?? null
  }

  /** Milliseconds since the file was written, or was said to be. */
  age(): number {
    return Date.now() - statSync(this.#path).mtimeMs
  }

  /** Makes the next key. */
  prepare(): void {
    this.#write([this.current, makePair()])
  }

  /** The next key is in force. */
  advance(): void {
    this.#write(this.#pairs.slice(1))
  }

  /** Whole or not at all. */
  #write(pairs: readonly KeyPair[]): void {
    const fresh = `${this.#path}.new`
    const file = openSync(fresh, 'w', 0o600)
    try {
      writeSync(file, pairs.map(({ privateKey }) => `${privateKey}\n`).join(''))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, this.#path)
    this.#pairs = pairs
  }
}

/** None when there is no file. What is no key is left out: a host without one makes another. */
function readPairs(path: string): KeyPair[] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const keys = lines.filter(isKey)
  return keys.slice(0, 2).map((key) => {
    const raw = Buffer.from(key, 'base64')
    return pairOf(createPrivateKey({ key: Buffer.concat([pkcs8, raw]), format: 'der', type: 'pkcs8' }))
  })
}

function makePair(): KeyPair {
  return pairOf(generateKeyPairSync('x25519').privateKey)
}

function pairOf(key: KeyObject): KeyPair {
  const { d = '' } = key.export({ format: 'jwk' })
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  return { privateKey: base64(d), publicKey: base64(x) }
}

function base64(url: string): string {
  return Buffer.from(url, 'base64url').toString('base64')
}

/** Whether this is 32 bytes in base64, as they are always written. */
export function isKey(text: string): boolean {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === keyBytes && bytes.toString('base64') === text
}

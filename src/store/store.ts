/**
 * The embedded store: typed collections held in memory and written through to SQLite (WAL, one writer), and the journal
 * of changes under way. Reads cost a Map look-up; a write about 20 µs.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { TsnetError } from '../errors.ts'
import type { GuestEndpoint, GuestLease, GuestNetwork, GuestPool, VolumeLoan } from './guest-records.ts'
import { migrations } from './migrations.ts'
import type { PodNetwork, PodRecord } from './pod-records.ts'
import type {
  ContainerRecord,
  ImageRecord,
  ImportRecord,
  NetworkRecord,
  SnapshotRecord,
  TrashRecord,
  VolumeRecord,
} from './records.ts'

/** Records of one kind by key. Values are frozen; put a changed copy. */
export interface Collection<V> {
  readonly size: number
  /** Differs after every change. */
  readonly writes: number
  get(key: string): V | undefined
  has(key: string): boolean
  /** In order of first insertion since the start, then of key. */
  values(): MapIterator<V>
  put(key: string, value: V): void
  delete(key: string): void
}

/** An intent: what was begun and not yet finished. A leftover one is undone or completed at the next start. */
export interface JournalEntry {
  readonly id: number
  readonly operation: string
  readonly subject: string
  readonly step: string
  readonly data: unknown
}

export interface Journal {
  /** Commits the intent to change the world; `data` is what recovery needs. Returns the entry's id. */
  begin(operation: string, subject: string, data?: unknown): number
  /** Notes the step about to be done. */
  step(id: number, step: string): void
  /** The world and the records agree again. */
  clear(id: number): void
  entries(): readonly JournalEntry[]
}

export interface Store extends Disposable {
  readonly containers: Collection<ContainerRecord>
  readonly networks: Collection<NetworkRecord>
  readonly volumes: Collection<VolumeRecord>
  /** By the volume's id. */
  readonly trash: Collection<TrashRecord>
  /** By the snapshot's id. */
  readonly snapshots: Collection<SnapshotRecord>
  /** The latest ones, by the upload's token. */
  readonly imports: Collection<ImportRecord>
  readonly images: Collection<ImageRecord>
  readonly guestNetworks: Collection<GuestNetwork>
  readonly guestEndpoints: Collection<GuestEndpoint>
  readonly guestPools: Collection<GuestPool>
  /** By the pool's id and the address without prefix length, with a blank between them. */
  readonly guestLeases: Collection<GuestLease>
  /** By the volume's name and the user, with a blank between them. */
  readonly loans: Collection<VolumeLoan>
  /** By the pod's id. */
  readonly pods: Collection<PodRecord>
  /** By the network's name. */
  readonly podNetworks: Collection<PodNetwork>
  /** Small facts about the installation, such as its id. */
  readonly settings: Collection<string>
  readonly journal: Journal
  /** Runs `body` in one transaction; when it throws, memory and disk are as before. */
  transaction<T>(body: () => T): T
  close(): void
}

/** A write that memory can take back when its transaction fails. */
type Revert = () => void

class StoredCollection<V> implements Collection<V> {
  readonly #name: string
  readonly #values = new Map<string, V>()
  readonly #put
  readonly #delete
  readonly #onWrite: (revert: Revert) => void
  #writes = 0

  constructor(db: DatabaseSync, name: string, onWrite: (revert: Revert) => void) {
    this.#name = name
    this.#onWrite = onWrite
    this.#put = db.prepare('INSERT OR REPLACE INTO record (collection, key, value) VALUES (?, ?, ?)')
    this.#delete = db.prepare('DELETE FROM record WHERE collection = ? AND key = ?')
    const rows = db.prepare('SELECT key, value FROM record WHERE collection = ? ORDER BY key').all(name)
    for (const row of rows)
      this.#values.set(String(row['key']), freeze(JSON.parse(String(row['value']))) as V)
  }

  get size(): number {
    return this.#values.size
  }

  get writes(): number {
    return this.#writes
  }

  get(key: string): V | undefined {
    return this.#values.get(key)
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  values(): MapIterator<V> {
    return this.#values.values()
  }

  put(key: string, value: V): void {
    const before = this.#values.get(key)
    this.#put.run(this.#name, key, JSON.stringify(value))
    this.#set(key, freeze(value))
    this.#onWrite(() => this.#set(key, before))
  }

  delete(key: string): void {
    const before = this.#values.get(key)
    if (before === undefined) return
    this.#delete.run(this.#name, key)
    this.#set(key, undefined)
    this.#onWrite(() => this.#set(key, before))
  }

  #set(key: string, value: V | undefined): void {
    this.#writes++
    if (value === undefined) this.#values.delete(key)
    else this.#values.set(key, value)
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) freeze(part)
  }
  return value
}

/** https://www.sqlite.org/rescode.html */
const SQLITE_FULL = 13

function migrate(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version > migrations.length) {
    throw new TsnetError(
      'unavailable',
      'store-newer',
      `${path} was written by a newer tsnet (schema ${version}, this one knows ${migrations.length}): start that version, or another --data-root`,
    )
  }
  for (let next = version; next < migrations.length; next++) {
    db.exec(`BEGIN; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}

/** bytes; more than the log ever grows to */
const reserve = 1 << 20
/** pages of 4 KiB after which the log is written over from its beginning */
const logPages = 200

/**
 * Makes log and database larger than they need be: SQLite writes over what they have first. When a container fills the
 * disk, its ending and its removal, which frees the disk, can still be recorded. A disk that is full already is let pass.
 */
function reserveSpace(db: DatabaseSync): void {
  try {
    db.exec(
      `BEGIN; CREATE TABLE IF NOT EXISTS reserve (bytes); INSERT INTO reserve VALUES (zeroblob(${reserve})); COMMIT`,
    )
    db.exec(`DROP TABLE reserve; PRAGMA wal_checkpoint(RESTART); PRAGMA wal_autocheckpoint = ${logPages}`)
  } catch (error) {
    if (!isFull(error)) throw error
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}

function isFull(error: unknown): boolean {
  return (error as { errcode?: number }).errcode === SQLITE_FULL
}

function openDatabase(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o710 })
  const db = new DatabaseSync(path)
  try {
    // An exclusive lock keeps a second daemon off this data root.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT',
    )
    migrate(db, path)
    reserveSpace(db)
    return db
  } catch (error) {
    db.close()
    if (!(error instanceof Error && /locked|busy/.test(error.message))) throw error
    throw new TsnetError(
      'unavailable',
      'store-locked',
      `${path} is in use by another tsnet daemon: stop that, or give another --data-root`,
    )
  }
}

function createJournal(db: DatabaseSync): Journal {
  const begin = db.prepare("INSERT INTO journal (operation, subject, step, data) VALUES (?, ?, '', ?)")
  const step = db.prepare('UPDATE journal SET step = ? WHERE id = ?')
  const clear = db.prepare('DELETE FROM journal WHERE id = ?')
  const entries = db.prepare('SELECT id, operation, subject, step, data FROM journal ORDER BY id')
  return {
    begin: (operation, subject, data = null) =>
      Number(begin.run(operation, subject, JSON.stringify(data)).lastInsertRowid),
    step: (id, name) => void step.run(name, id),
    clear: (id) => void clear.run(id),
    entries: () =>
      entries.all().map((row) => ({
        id: Number(row['id']),
        operation: String(row['operation']),
        subject: String(row['subject']),
        step: String(row['step']),
        data: JSON.parse(String(row['data'])) as unknown,
      })),
  }
}

/** Transactions of disk and memory together. */
class Transactions {
  readonly #db: DatabaseSync
  /** How memory takes back what the open transaction has written, in order; null outside of one. */
  #reverts: Revert[] | null = null

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  noteWrite(revert: Revert): void {
    this.#reverts?.push(revert)
  }

  run<T>(body: () => T): T {
    if (this.#reverts !== null) return body()
    this.#db.exec('BEGIN IMMEDIATE')
    const reverts: Revert[] = []
    this.#reverts = reverts
    try {
      const result = body()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      // A full disk has SQLite roll back by itself.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      for (const revert of reverts.reverse()) revert()
      throw error
    } finally {
      this.#reverts = null
    }
  }
}

/** Opens or makes the store at `path`. Throws kind 'unavailable' when another daemon has it or it is of a newer version. */
export function openStore(path: string): Store {
  const db = openDatabase(path)
  const transactions = new Transactions(db)
  const collection = <V>(name: string): Collection<V> =>
    new StoredCollection<V>(db, name, (revert) => transactions.noteWrite(revert))
  const close = (): void => db.close()
  return {
    containers: collection('container'),
    networks: collection('network'),
    volumes: collection('volume'),
    trash: collection('trash'),
    snapshots: collection('snapshot'),
    imports: collection('import'),
    images: collection('image'),
    guestNetworks: collection('guest-network'),
    guestEndpoints: collection('guest-endpoint'),
    guestPools: collection('guest-pool'),
    guestLeases: collection('guest-lease'),
    loans: collection('loan'),
    pods: collection('pod'),
    podNetworks: collection('pod-network'),
    settings: collection('setting'),
    journal: createJournal(db),
    transaction: (body) => transactions.run(body),
    close,
    [Symbol.dispose]: close,
  }
}

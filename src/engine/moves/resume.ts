/** After a start of the daemon: moves that were under way when the last one ended. */
import type { JournalEntry } from '../../store/store.ts'
import type { ContainerId } from '../../values/id.ts'
import { attemptStart } from '../attempt-start.ts'
import type { Parts } from '../parts.ts'
import { settleArrival } from './arrival.ts'
import { type ArrivalNote, completeArrival, recordArrival, takeBackArrival } from './complete-arrival.ts'
import { asked, completeDeparture, type DepartureNote } from './complete-departure.ts'
import { type MoveId, settleWhenever } from './settle.ts'
import { regainShared } from './shared-addresses.ts'

const operations: readonly string[] = ['move', 'receive', 'receive-part', 'receive-commit']

/** Whether a journal's entry is of a move, which only etcd can bring to an end. */
export function isOfMove({ operation }: JournalEntry): boolean {
  return operations.includes(operation)
}

function entriesOf({ store }: Parts, operation: string): JournalEntry[] {
  return store.journal.entries().filter((entry) => entry.operation === operation)
}

/** Nobody touches what is on its way, before anything else is restored. */
export function recallMoves(parts: Parts): void {
  const { leaving, arriving, undecided } = parts.moves
  for (const { subject, data, step } of entriesOf(parts, 'move')) {
    leaving.set(subject, (data as MoveId).to)
    if (step === asked) undecided.add(subject)
  }
  for (const { subject, data } of entriesOf(parts, 'receive'))
    arriving.set(subject, { name: '', from: (data as MoveId).from })
  for (const { subject, data } of entriesOf(parts, 'receive-commit')) {
    const { container, from } = data as ArrivalNote
    arriving.set(subject, { name: container.name, from })
  }
}

/** What has come to this host at the very end of the last daemon, or has not left it, is its own again with all that it has in etcd. */
export async function decideMoves(parts: Parts): Promise<void> {
  await Promise.all([
    ...entriesOf(parts, 'receive-commit').map(({ data }) => decideArrival(parts, data as ArrivalNote)),
    ...entriesOf(parts, 'move').map((entry) => decideDeparture(parts, entry)),
  ])
}

/** One that has left stays undecided until it is gone. */
async function decideDeparture(parts: Parts, { subject, data }: JournalEntry): Promise<void> {
  const container = parts.store.containers.get(subject)
  if (container === undefined || !parts.moves.undecided.has(subject)) return
  if (!(await settleWhenever(parts, data as MoveId))) regainShared(parts, container)
}

async function decideArrival(parts: Parts, note: ArrivalNote): Promise<void> {
  if (parts.store.containers.has(note.container.id)) return recordArrival(parts, note)
  const undo = new AsyncDisposableStack()
  undo.defer(() => takeBackArrival(parts, note.container.id, note))
  await settleArrival(parts, note, undo)
}

/** After that: brings all to an end. */
export async function resumeMoves(parts: Parts): Promise<void> {
  const commits = entriesOf(parts, 'receive-commit')
  const begun = entriesOf(parts, 'receive')
  await Promise.all([
    ...commits.map(({ data }) => completeArrival(parts, data as ArrivalNote)),
    ...begun.map(({ subject, data }) => takeBackArrival(parts, subject as ContainerId, data as MoveId)),
    ...entriesOf(parts, 'move').map((entry) => resumeDeparture(parts, entry)),
  ])
}

async function resumeDeparture(
  parts: Parts,
  { id: entry, subject, data, step }: JournalEntry,
): Promise<void> {
  const { store, moves, locks } = parts
  const note: DepartureNote = { ...(data as DepartureNote), entry }
  const container = store.containers.get(subject)
  const isMoved = step === asked && (container === undefined || moves.undecided.has(subject))
  if (isMoved) return await completeDeparture(parts, container, note)
  moves.leaving.delete(subject)
  store.journal.clear(entry)
  await locks.run(subject, async () => {
    const container = store.containers.get(subject)
    const isToRun = note.ran && container !== undefined && container.state.status !== 'running'
    if (isToRun) await attemptStart(parts, container, { stays: true })
  })
}

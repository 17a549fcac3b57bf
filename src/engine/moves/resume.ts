/** After a start of the daemon: moves that were under way when the last one ended. */
import type { JournalEntry } from '../../store/store.ts'
import type { ContainerId } from '../../values/id.ts'
import { attemptStart } from '../attempt-start.ts'
import type { Parts } from '../parts.ts'
import { settleArrival } from './arrival.ts'
import { type ArrivalNote, takeBackArrival } from './complete-arrival.ts'
import { completeDeparture, type DepartureNote } from './complete-departure.ts'
import { type MoveId, settleWhenever } from './settle.ts'

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
  const { leaving, arriving } = parts.moves
  for (const { subject, data } of entriesOf(parts, 'move')) leaving.set(subject, (data as MoveId).to)
  for (const { subject, data } of entriesOf(parts, 'receive'))
    arriving.set(subject, { name: '', from: (data as MoveId).from })
  for (const { subject, data } of entriesOf(parts, 'receive-commit')) {
    const { container, from } = data as ArrivalNote
    arriving.set(subject, { name: container.name, from })
  }
}

/** Brings them to an end, as soon as etcd answers where it has to be asked. */
export async function resumeMoves(parts: Parts): Promise<void> {
  const commits = entriesOf(parts, 'receive-commit')
  const undecided = new Set(commits.map(({ subject }) => subject))
  const begun = entriesOf(parts, 'receive').filter(({ subject }) => !undecided.has(subject))
  await Promise.all([
    ...begun.map(({ subject, data }) => takeBackArrival(parts, subject as ContainerId, data as MoveId)),
    ...commits.map(({ data }) => resumeArrival(parts, data as ArrivalNote)),
    ...entriesOf(parts, 'move').map((entry) => resumeDeparture(parts, entry)),
  ])
}

async function resumeArrival(parts: Parts, note: ArrivalNote): Promise<void> {
  const undo = new AsyncDisposableStack()
  undo.defer(() => takeBackArrival(parts, note.container.id, note))
  await settleArrival(parts, note, undo)
}

async function resumeDeparture(parts: Parts, { id: entry, subject, data }: JournalEntry): Promise<void> {
  const { store, moves, locks } = parts
  const note: DepartureNote = { ...(data as DepartureNote), entry }
  if (await settleWhenever(parts, note))
    return await completeDeparture(parts, store.containers.get(subject), note)
  moves.leaving.delete(subject)
  store.journal.clear(entry)
  await locks.run(subject, async () => {
    const container = store.containers.get(subject)
    if (note.ran && container !== undefined && container.state.status !== 'running')
      await attemptStart(parts, container)
  })
}

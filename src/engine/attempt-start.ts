/** A start that was asked for: its failure is written down. */
import { errorMessage, TsnetError } from '../errors.ts'
import type { ContainerRecord } from '../store/records.ts'
import { timeAction } from '../timings.ts'
import type { Parts } from './parts.ts'
import { startContainer } from './start.ts'
import { removeContainer } from './stop.ts'

/** Throws as `startContainer`; a container of `--rm` goes then, unless it `stays`. Call under the container's lock. */
export async function attemptStart(
  parts: Parts,
  container: ContainerRecord,
  { stays = false } = {},
): Promise<void> {
  try {
    await timeAction('start', () => startContainer(parts, container.id))
  } catch (error) {
    if (error instanceof TsnetError && error.kind === 'unchanged') throw error
    if (container.spec.autoRemove && !stays)
      await removeContainer(parts, recordFailure(parts, container, error), true)
    else recordFailure(parts, container, error)
    throw error
  }
}

/** The record tells why a container did not start, with the exit code that a shell would give. */
function recordFailure(parts: Parts, container: ContainerRecord, error: unknown): ContainerRecord {
  const exitCode = (error as { exitCode?: number }).exitCode || 128
  const state = { ...container.state, exitCode, error: errorMessage(error) }
  const failed = { ...container, state }
  parts.store.containers.put(container.id, failed)
  return failed
}

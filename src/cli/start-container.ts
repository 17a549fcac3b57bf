import { TsnetError } from '../errors.ts'
import type { Client } from './client.ts'
import { createMissingNetwork } from './missing-network.ts'
import { containerPath } from './paths.ts'

/** Starts a container that was just created. Docker finds out only now when a network is missing. */
export async function startContainer(client: Client, id: string): Promise<void> {
  for (;;) {
    try {
      await client.call('POST', containerPath(id, 'start'))
      return
    } catch (error) {
      if (!(error instanceof TsnetError) || !(await createMissingNetwork(client, error))) throw error
    }
  }
}

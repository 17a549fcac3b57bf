import type { TsnetError } from '../errors.ts'
import type { Client } from './client.ts'
import { printError } from './command.ts'
import { networkPath } from './paths.ts'
import { isUserDefined } from './values/network.ts'

interface NetworkInspect {
  readonly Driver: string
  readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string }[] | null }
}

/** Creates, as a bridge, the network that `error` says is missing. False when it says something else. */
export async function createMissingNetwork(client: Client, error: TsnetError): Promise<boolean> {
  const name = /\bnetwork (\S+) not found$/.exec(error.message)?.[1]
  if (name === undefined || !isUserDefined(name)) return false
  await client.call('POST', '/networks/create', {
    body: { Name: name, Driver: 'bridge', CheckDuplicate: true },
  })
  const network = await client.call<NetworkInspect>('GET', networkPath(name))
  const subnets = (network.IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? [])
  printError(`network ${name} created: ${[network.Driver, ...subnets].join(', ')}`)
  return true
}

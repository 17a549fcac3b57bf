/** The CNI driver's options. Pure. */
import { TsnetError } from '../../errors.ts'
import type { NetworkSpec } from '../../store/records.ts'
import { badOption, parseNetworkOptions } from '../network-options.ts'

export interface CniOptions {
  /** The absolute path of a list of plugins, or the name of a network of the operator's. */
  readonly conflist: string
}

/** Throws kind 'invalid', also for what the list itself says of a network. */
export function parseCniOptions(network: NetworkSpec): CniOptions {
  const parsers = { conflist: (conflist: string) => ({ conflist }) }
  const options = parseNetworkOptions<CniOptions>('cni', network, parsers, { conflist: '' })
  if (options.conflist === '') {
    throw badOption(
      `network ${network.name}: the cni driver needs its option conflist: -o conflist=FILE, or a name that is in the directory of CNI's networks`,
    )
  }
  const given = network.pools.find(({ subnet }) => subnet !== '')
  if (given !== undefined) throw decidedByList(network, `subnet ${given.subnet}`)
  if (network.internal) throw decidedByList(network, '--internal')
  return options
}

function decidedByList({ name }: NetworkSpec, what: string): TsnetError {
  return new TsnetError(
    'invalid',
    'cni-decides',
    `network ${name}: its list of CNI plugins decides on addresses and ways out: leave out ${what}`,
  )
}

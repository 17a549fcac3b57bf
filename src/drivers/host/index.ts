/** The two networks that need no work: `host` is the daemon's own namespace, `null` a sandbox with loopback alone. */
import { TsnetError } from '../../errors.ts'
import type { Labels } from '../../store/records.ts'
import type { NetworkId } from '../../values/id.ts'
import type { Attachment, NetworkDriver } from '../driver.ts'

const nothing: Attachment = {
  interfaceName: '',
  mac: '',
  address4: '',
  address6: '',
  gateway4: '',
  gateway6: '',
}

/** A driver of one network, which exists from the first start on. */
export function createHostDriver(name: 'host' | 'null'): NetworkDriver<null> {
  let only: NetworkId | null = null
  return {
    name,
    capabilities: { scope: 'local', addresses: 'none', gateway: 'given', ports: 'none' },
    parseOptions: (network) => refuseOptions(name, network.name, network.options),
    checkEndpoint: (network, { options }) => void refuseOptions(name, network.name, options),
    gatewayFor: () => '',

    async createNetwork(_context, network) {
      refuseOptions(name, network.name, network.options)
      if (only !== null && only !== network.id) {
        throw new TsnetError(
          'forbidden',
          'single-network',
          `only one instance of "${name}" network is allowed`,
        )
      }
      only = network.id
      return []
    },

    async removeNetwork(_context, network) {
      if (only === network.id) only = null
    },

    attach: async () => nothing,
    detach: async () => {},
  }
}

function refuseOptions(driver: string, network: string, options: Labels): null {
  const names = Object.keys(options)
  if (names.length === 0) return null
  throw new TsnetError(
    'invalid',
    'bad-driver-option',
    `network ${network}: the ${driver} driver has no option ${names.join(', ')}, it takes none`,
  )
}

import type { Link } from '../netlink/link.ts'
import { configureInterface } from '../sandbox/interface.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { EndpointSpec } from './driver.ts'

/** Brings an endpoint's interface, which is in the sandbox already, into its wanted state, and returns the link. */
export function configureEndpoint(sandbox: Sandbox, endpoint: EndpointSpec): Link {
  const { address4, address6, linkLocal, sysctls, gateway4, gateway6 } = endpoint
  return configureInterface(sandbox, {
    name: endpoint.interfaceName,
    address4,
    address6,
    linkLocal,
    sysctls,
    gateway4: endpoint.defaultRoute4 ? gateway4 : '',
    gateway6: endpoint.defaultRoute6 ? gateway6 : '',
  })
}

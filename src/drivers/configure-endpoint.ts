import type { Link } from '../netlink/link.ts'
import { configureInterface, type InterfaceSpec } from '../sandbox/interface.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { EndpointSpec } from './driver.ts'

/** Brings an endpoint's interface, which is in the sandbox already, into its wanted state, and returns the link. */
export function configureEndpoint(sandbox: Sandbox, endpoint: EndpointSpec): Link {
  return configureInterface(sandbox, interfaceOf(endpoint))
}

/** What an endpoint's interface is to be. */
export function interfaceOf(endpoint: EndpointSpec): InterfaceSpec {
  const { address4, address6, linkLocal, sysctls, gateway4, gateway6 } = endpoint
  return {
    name: endpoint.interfaceName,
    address4,
    address6,
    linkLocal,
    sysctls,
    gateway4: endpoint.defaultRoute4 ? gateway4 : '',
    gateway6: endpoint.defaultRoute6 ? gateway6 : '',
  }
}

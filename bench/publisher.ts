/**
 * Publishes ports on request, in a network namespace of its own: `unshare --net node bench/publisher.ts BACKEND STANDING`.
 * Says 'ready' when STANDING ports are published; answers each message with the milliseconds of publishing one more.
 */
import { createFirewall } from '../src/firewall/firewall.ts'
import type { BridgeRule, PublishRule } from '../src/firewall/rules.ts'
import { createLogger } from '../src/log.ts'

const [backend = '', standing = ''] = process.argv.slice(2)
if (backend !== 'nftables' && backend !== 'iptables') throw new Error(`${backend}: is no firewall backend`)

const network: BridgeRule = {
  kind: 'bridge',
  owner: 'b'.repeat(64),
  family: 4,
  interface: 'bench0',
  subnet: '10.94.0.0/16',
  internal: false,
  mode: 'nat',
  masquerade: true,
  snatAddress: '',
  clampMss: false,
}

/** Each port of an endpoint of its own, as separate containers would have it. */
function publish(index: number): PublishRule {
  return {
    kind: 'publish',
    owner: index.toString(16).padStart(64, '0'),
    family: 4,
    mode: 'dnat',
    protocol: 'tcp',
    hostAddress: '',
    hostPort: 10_000 + index,
    count: 1,
    hostInterface: '',
    sources: [],
    interface: network.interface,
    address: `10.94.${index >> 7}.${2 + (index & 127)}`,
    port: 80,
  }
}

const firewall = createFirewall({ backend, instance: '', log: createLogger('error') })
const count = Number(standing)
await firewall.replaceAll([network, ...Array.from({ length: count }, (_, index) => publish(index))])
process.on('message', async () => {
  const batch = { add: [publish(count)], remove: [] }
  const began = performance.now()
  await firewall.apply(batch)
  const took = performance.now() - began
  await firewall.apply({ add: [], remove: batch.add })
  process.send?.(took)
})
process.send?.('ready')

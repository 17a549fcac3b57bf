/** Typical rule sets, each a name, a sentence and its rules. They are rendered into test/golden/ and docs/firewall.md. */
import { egressRules } from '../../../src/firewall/egress.ts'
import type { BridgeRule, PublishRule, Rule } from '../../../src/firewall/rules.ts'

const network: BridgeRule = {
  kind: 'bridge',
  owner: 'a1b2c3d4e5f60718293a4b5c',
  family: 4,
  interface: 'br-a1b2c3d4e5f6',
  subnet: '172.18.0.0/16',
  internal: false,
  mode: 'nat',
  masquerade: true,
  snatAddress: '',
  clampMss: false,
}
const network6: BridgeRule = { ...network, family: 6, subnet: 'fd12:3456:789a::/64' }

const port: PublishRule = {
  kind: 'publish',
  owner: '0f1e2d3c4b5a69788796a5b4',
  family: 4,
  mode: 'dnat',
  protocol: 'tcp',
  hostAddress: '',
  hostPort: 8080,
  count: 1,
  hostInterface: '',
  sources: [],
  interface: network.interface,
  address: '172.18.0.2',
  port: 80,
}

const sender = { owner: port.owner, interface: network.interface, mac: '02:42:ac:12:00:02' } as const

export interface Case {
  readonly name: string
  readonly title: string
  readonly text: string
  readonly rules: readonly Rule[]
}

export const cases: readonly Case[] = [
  {
    name: 'network',
    title: 'A network',
    text: 'An ordinary bridge network with IPv4 (`tsnet network create net`), no port published.',
    rules: [network],
  },
  {
    name: 'dual-stack-port',
    title: 'A published port, IPv4 and IPv6',
    text: 'A network with both families, a container with `-p 8080:80`.',
    rules: [network, network6, port, { ...port, family: 6, address: 'fd12:3456:789a::2' }],
  },
  {
    name: 'loopback-port',
    title: 'A port published on one address',
    text: 'A container with `-p 127.0.0.1:8080:80/udp`.',
    rules: [network, { ...port, protocol: 'udp', hostAddress: '127.0.0.1' }],
  },
  {
    name: 'ranges',
    title: 'Ranges',
    text: 'A container with `-p 8000-8999:8000-8999 -p 9000-9003:80-83`.',
    rules: [
      network,
      { ...port, hostPort: 8000, port: 8000, count: 1000 },
      { ...port, hostPort: 9000, port: 80, count: 4 },
    ],
  },
  {
    name: 'internal-network',
    title: 'An internal network',
    text: '`tsnet network create --internal net`.',
    rules: [{ ...network, internal: true, masquerade: false }],
  },
  {
    name: 'without-masquerade',
    title: 'A network without masquerading',
    text: '`tsnet network create -o com.docker.network.bridge.enable_ip_masquerade=false net`.',
    rules: [{ ...network, masquerade: false }],
  },
  {
    name: 'fixed-address',
    title: 'A fixed source address',
    text: '`tsnet network create -o com.docker.network.host_ipv4=192.0.2.7 net`.',
    rules: [{ ...network, snatAddress: '192.0.2.7' }],
  },
  {
    name: 'own-mtu',
    title: 'A network with an MTU of its own',
    text: '`tsnet network create -o com.docker.network.driver.mtu=1400 net`.',
    rules: [{ ...network, clampMss: true }],
  },
  {
    name: 'trusted-interface',
    title: 'A trusted interface of the host',
    text: '`tsnet network create -o com.docker.network.bridge.trusted_host_interfaces=vpn0 net`, and a container with `-p 8080:80`.',
    rules: [network, port, { ...port, mode: 'route', hostPort: 0, hostInterface: 'vpn0' }],
  },
  {
    name: 'limited-ports',
    title: 'Ports for some clients only',
    text: 'A container with `-p eth1:8080:80` and `-p 8443:443,from=10.0.0.0/8,from=192.168.0.0/16`.',
    rules: [
      network,
      { ...port, hostInterface: 'eth1' },
      { ...port, hostPort: 8443, port: 443, sources: ['10.0.0.0/8', '192.168.0.0/16'] },
    ],
  },
  {
    name: 'unprotected',
    title: 'Gateway mode nat-unprotected',
    text: '`tsnet network create -o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected net`, and a container with `-p 8080:80`.',
    rules: [{ ...network, mode: 'nat-unprotected' }, port],
  },
  {
    name: 'routed',
    title: 'Gateway mode routed',
    text: '`tsnet network create -o com.docker.network.bridge.gateway_mode_ipv4=routed net`, and a container with `-p 80 -p 9000-9003`.',
    rules: [
      { ...network, mode: 'routed' },
      { ...port, mode: 'route' },
      { ...port, mode: 'route', hostPort: 9000, port: 9000, count: 4 },
    ],
  },
  {
    name: 'isolated',
    title: 'Gateway mode isolated',
    text: '`tsnet network create --internal -o com.docker.network.bridge.gateway_mode_ipv4=isolated net`.',
    rules: [{ ...network, internal: true, masquerade: false, mode: 'isolated' }],
  },
  {
    name: 'egress',
    title: 'A container that may not reach everything',
    text: '`tsnet run --egress allow=10.0.0.0/8:5432,192.0.2.7,[2001:db8::/32],api.example.com:443`, after `api.example.com` was answered with 192.0.2.80.',
    rules: [
      network,
      network6,
      ...([4, 6] as const).flatMap((family) =>
        egressRules(
          [
            { to: '10.0.0.0/8', protocol: 'tcp', port: 5432 },
            { to: '192.0.2.7/32', protocol: '', port: 0 },
            { to: '2001:db8::/32', protocol: '', port: 0 },
            { to: 'api.example.com', protocol: 'tcp', port: 443 },
          ],
          { ...sender, family },
        ),
      ),
      { ...sender, kind: 'allow', family: 4, destination: '192.0.2.80/32', protocol: 'tcp', port: 443 },
    ],
  },
]

/** The flags of `tsnet daemon`, and the help on them. */
import { parseArgs } from 'node:util'
import { badSetting } from './bad-setting.ts'
import type { Values } from './given.ts'

const flags = {
  'config-file': { type: 'string' },
  'data-root': { type: 'string' },
  'exec-root': { type: 'string' },
  host: { type: 'string', short: 'H', multiple: true },
  tlscacert: { type: 'string' },
  tlscert: { type: 'string' },
  tlskey: { type: 'string' },
  tlsverify: { type: 'boolean' },
  bip: { type: 'string' },
  bip6: { type: 'string' },
  bridge: { type: 'string', short: 'b' },
  'fixed-cidr': { type: 'string' },
  'fixed-cidr-v6': { type: 'string' },
  'default-gateway': { type: 'string' },
  'default-gateway-v6': { type: 'string' },
  ipv6: { type: 'string' },
  icc: { type: 'string' },
  'ip-masq': { type: 'string' },
  ip: { type: 'string' },
  mtu: { type: 'string' },
  'default-network-opt': { type: 'string', multiple: true },
  'default-address-pool': { type: 'string', multiple: true },
  dns: { type: 'string', multiple: true },
  'dns-host-listen': { type: 'string' },
  'host-gateway-ip': { type: 'string', multiple: true },
  'dns-opt': { type: 'string', multiple: true },
  'dns-search': { type: 'string', multiple: true },
  'log-level': { type: 'string', short: 'l' },
  'metrics-addr': { type: 'string' },
  pidfile: { type: 'string', short: 'p' },
  'firewall-backend': { type: 'string' },
  'init-pool': { type: 'string' },
  'plugin-dir': { type: 'string', multiple: true },
  'allow-direct-routing': { type: 'string' },
  'userland-proxy': { type: 'string' },
  'volume-trash-age': { type: 'string' },
  'volume-trash-space': { type: 'string' },
  driver: { type: 'string', multiple: true },
  'driver-dir': { type: 'string' },
  cluster: { type: 'string' },
  advertise: { type: 'string' },
  'node-name': { type: 'string' },
  'cni-conf-dir': { type: 'string' },
  'cni-bin-dir': { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const

export const daemonUsage = `Usage:  tsnet daemon [OPTIONS]

Options:
      --config-file string                  Settings in JSON, by the long names below (default "/etc/tsnet/daemon.json")
      --data-root string                    Root of what is kept (default "/var/lib/tsnet")
      --exec-root string                    Root of what lives until the next boot (default "/run/tsnet")
  -H, --host list                           Where to listen: unix:///path or tcp://address:port (default "unix://<exec-root>/tsnet.sock")
      --tlscacert, --tlscert, --tlskey      Certificates; a tcp host needs all three
      --tlsverify                           Clients show certificates: with the three it is always so
      --bip string                          Address of the default network's bridge (default "172.17.0.1/16")
      --bip6 string                         The same for IPv6
  -b, --bridge string                       The default network's bridge, made when it is missing (default "tsnet0")
      --fixed-cidr string                   Where the default network's containers get their addresses from
      --fixed-cidr-v6 string                The same for IPv6
      --default-gateway ip                  Way out of the default network other than its bridge
      --default-gateway-v6 ip               The same for IPv6
      --ipv6                                Give the default network IPv6
      --icc=false                           Keep the default network's containers from each other
      --ip-masq=false                       Let the default network's containers show their own addresses outside
      --ip ip                               Where ports of the default network are published that name no address (default 0.0.0.0 and ::)
      --mtu number                          MTU of the default network (default that of the way out)
      --default-network-opt DRIVER=OPT=VALUE   Option of networks of a driver that are made without it (repeatable)
      --default-address-pool base=CIDR,size=N   Where new networks are cut from (repeatable)
      --dns list                            Resolvers instead of the host's
      --dns-host-listen string              Address at whose port 53 the host may ask for CONTAINER.NETWORK.tsnet
      --dns-opt list                        Options of resolv.conf for containers instead of the host's
      --dns-search list                     Search domains for containers instead of the host's; . for none
      --host-gateway-ip list                What host-gateway in --add-host stands for (default: the default bridge's)
  -l, --log-level string                    debug, info, warn, error, fatal (default "info")
      --metrics-addr string                 ADDRESS:PORT at which metrics for Prometheus are served, to whoever can reach it
  -p, --pidfile string                      Where to write the process id
      --firewall-backend string             auto, nftables, iptables (default "auto")
      --init-pool number                    How many inits wait warm (default 2)
      --plugin-dir list                     Where Docker's plugins are looked for instead of /run/docker/plugins, /etc/docker/plugins, /usr/lib/docker/plugins
      --allow-direct-routing                Let published ports be reached at containers' own addresses too, by whoever has a route there
      --userland-proxy=false                Publish only what the kernel serves by itself, without a relay for [::1] and from IPv6 to IPv4
      --volume-trash-age duration           How long removed volumes can be restored, 0 for not at all (default 24h)
      --volume-trash-space percent          Free space below which the oldest of them go before their time (default 10%)
      --driver list                         Files and packages of drivers of your own, in TypeScript
      --driver-dir string                   Folder of drivers of your own (default "/etc/tsnet/drivers")
      --cluster string                      etcd://HOST:2379,HOST:2379,… of the cluster whose overlay networks this host shares
      --advertise string                    Address or interface at which the other hosts reach this one (default: the way out's)
      --node-name string                    What the other hosts call this one (default: its host name)
      --cni-conf-dir string                 Where networks of CNI plugins are described (default "/etc/cni/net.d")
      --cni-bin-dir list                    Where CNI plugins are looked for instead of /opt/cni/bin and /usr/lib/cni
`

/** Long names of what the config file may set too. */
export const settingNames: readonly string[] = Object.keys(flags).filter(
  (name) => name !== 'config-file' && name !== 'help',
)

/** That they are given is enough. */
const switches: readonly string[] = ['--ipv6', '--allow-direct-routing']

/** Throws kind 'invalid'. */
export function parseFlags(argv: readonly string[]): Values {
  try {
    const args = argv.map((one) => (switches.includes(one) ? `${one}=true` : one))
    return parseArgs({ args, options: flags, strict: true }).values
  } catch (error) {
    throw badSetting((error as Error).message)
  }
}

/** Reads the daemon's settings: flags over the config file over defaults; names are dockerd's where dockerd has them. */
import type { Config } from './config.ts'
import { readConfigFile } from './file.ts'
import { parseFlags } from './flags.ts'
import { Given } from './given.ts'
import { parseDefaultNetwork, parseNetworkDefaults, parsePool } from './networks.ts'
import {
  checkAddresses,
  checkCluster,
  checkDrivers,
  checkHostListen,
  checkHosts,
  parseInitPool,
  parseMetricsAddress,
  parseNodeName,
  parseTls,
  parseTrashAge,
  parseTrashSpace,
} from './settings.ts'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
const firewallBackends = ['auto', 'iptables', 'nftables'] as const

/** Reads flags and config file. Returns null when help was asked for. Throws kind 'invalid'. */
export function loadConfig(argv: readonly string[]): Config | null {
  const flags = parseFlags(argv)
  if (flags['help'] === true) return null
  const path = flags['config-file']
  const file = readConfigFile(String(path ?? '/etc/tsnet/daemon.json'), path !== undefined)
  const given = new Given({ ...file, ...flags })
  const execRoot = given.text('exec-root', '/run/tsnet')
  const tls = parseTls(given)
  return {
    dataRoot: given.text('data-root', '/var/lib/tsnet'),
    execRoot,
    hosts: checkHosts(orElse(given.list('host'), [`unix://${execRoot}/tsnet.sock`]), tls),
    tls,
    network: parseDefaultNetwork(given),
    networkDefaults: parseNetworkDefaults(given),
    addressPools: given.items('default-address-pool').map(parsePool),
    dns: checkAddresses('dns', given.list('dns')),
    hostGatewayIps: checkAddresses('host-gateway-ip', given.list('host-gateway-ip')),
    dnsHostListen: checkHostListen(given.text('dns-host-listen', '')),
    dnsSearch: given.list('dns-search'),
    dnsOptions: given.list('dns-opt'),
    logLevel: given.oneOf('log-level', 'info', logLevels),
    metrics: parseMetricsAddress(given.text('metrics-addr', '')),
    pidfile: given.text('pidfile', ''),
    firewallBackend: given.oneOf('firewall-backend', 'auto', firewallBackends),
    initPool: parseInitPool(given.text('init-pool', '2')),
    trash: {
      age: parseTrashAge(given.text('volume-trash-age', '24h')),
      space: parseTrashSpace(given.text('volume-trash-space', '10%')),
    },
    drivers: {
      directory: given.text('driver-dir', '/etc/tsnet/drivers'),
      files: checkDrivers(given.list('driver')),
    },
    cluster: checkCluster(given.text('cluster', '')),
    advertise: given.text('advertise', ''),
    nodeName: parseNodeName(given),
    cni: {
      configurations: given.text('cni-conf-dir', '/etc/cni/net.d'),
      programs: orElse(given.list('cni-bin-dir'), ['/opt/cni/bin', '/usr/lib/cni']),
    },
    pluginDirectories: given.list('plugin-dir'),
    directRouting: given.isOn('allow-direct-routing', 'false'),
    userlandProxy: given.isOn('userland-proxy', 'true'),
  }
}

function orElse(given: readonly string[], fallback: readonly string[]): readonly string[] {
  return given.length > 0 ? given : fallback
}

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Case, Contestant } from '../case.ts'
import type { Stage } from '../stage.ts'

const NAME = 'bench-cni'
const NETNS = `/run/netns/${NAME}`
const PORTS = [{ hostPort: 8093, containerPort: 80, protocol: 'tcp' }]
const DEBIAN = '/usr/lib/cni'
const NETAVARK = '/usr/lib/podman/netavark'

type Verb = 'ADD' | 'DEL'
/** Attaches, or detaches, the sandbox by as many programs as that takes. */
type Attach = (verb: Verb) => void

function callPlugin(program: string, verb: Verb, config: object): string {
  const env = {
    ...process.env,
    CNI_COMMAND: verb,
    CNI_CONTAINERID: NAME,
    CNI_NETNS: NETNS,
    CNI_IFNAME: 'eth0',
    CNI_PATH: DEBIAN,
  }
  const { status, stdout } = spawnSync(program, { env, input: JSON.stringify(config), encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${program} ${verb}: ${stdout}`)
}

/** Debian's plugins as a runtime chains them. */
function chain(stage: Stage): Attach {
  const common = { cniVersion: '1.0.0', name: NAME }
  const ipam = {
    type: 'host-local',
    dataDir: join(stage.dir, 'cni-leases'),
    ranges: [[{ subnet: '10.94.0.0/16' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  }
  const bridge = { ...common, type: 'bridge', bridge: 'bench-chain', isGateway: true, ipMasq: true, ipam }
  const portmap = { ...common, type: 'portmap', runtimeConfig: { portMappings: PORTS } }
  let prevResult: unknown
  return (verb) => {
    if (verb === 'ADD') {
      prevResult = JSON.parse(callPlugin(join(DEBIAN, 'bridge'), verb, bridge))
      callPlugin(join(DEBIAN, 'portmap'), verb, { ...portmap, prevResult })
    } else {
      callPlugin(join(DEBIAN, 'portmap'), verb, { ...portmap, prevResult })
      callPlugin(join(DEBIAN, 'bridge'), verb, { ...bridge, prevResult })
    }
  }
}

function tsnetCni(stage: Stage, host: string, subnet: string): Attach {
  const config = {
    ...{ cniVersion: '1.0.0', name: `${NAME}-${subnet.split('.')[1]}`, type: 'tsnet', host },
    stateDir: join(stage.dir, 'cni-state'),
    ipam: { subnet },
    runtimeConfig: { portMappings: PORTS },
  }
  return (verb) => void callPlugin(join(stage.root, 'tsnet-cni'), verb, config)
}

/** Podman's own program for networks, with the question that podman asks it. */
function netavark(): Attach {
  const network = {
    ...{ name: NAME, id: '94'.repeat(32), driver: 'bridge', network_interface: 'bench-avark' },
    ...{ dns_enabled: false, internal: false, ipv6_enabled: false, ipam_options: { driver: 'host-local' } },
    created: '2026-01-01T00:00:00Z',
    subnets: [{ subnet: '10.97.0.0/16', gateway: '10.97.0.1' }],
  }
  const question = {
    container_id: '97'.repeat(32),
    container_name: NAME,
    networks: { [NAME]: { static_ips: ['10.97.0.2'], interface_name: 'eth0' } },
    network_info: { [NAME]: network },
    port_mappings: PORTS.map(({ hostPort, containerPort, protocol }) => ({
      ...{ host_ip: '', host_port: hostPort, container_port: containerPort, protocol, range: 1 },
    })),
  }
  return (verb) => {
    const args = [verb === 'ADD' ? 'setup' : 'teardown', NETNS]
    execFileSync(NETAVARK, args, { input: JSON.stringify(question), stdio: ['pipe', 'ignore', 'pipe'] })
  }
}

function sample(attach: Attach, verb: Verb): number {
  execFileSync('ip', ['netns', 'add', NAME])
  try {
    const began = performance.now()
    attach('ADD')
    const attached = performance.now()
    attach('DEL')
    return verb === 'ADD' ? attached - began : performance.now() - attached
  } finally {
    execFileSync('ip', ['netns', 'delete', NAME])
  }
}

export default {
  name: 'cni',
  order: 44,
  title: 'A sandbox of another runtime, by CNI',
  about:
    'What containerd or Kubernetes would call: a namespace gets an interface on a bridge with an address, a way out with ' +
    'masquerading, and a published port. tsnet-cni with and without its daemon, Debian’s plugins bridge, host-local and portmap one ' +
    'after the other, and netavark, which podman calls for the same, where it is installed.',
  async *rows(stage) {
    const [daemon] = await stage.engines('tsnet')
    const contestants: Record<string, Attach> = {
      ...(daemon && { tsnet: tsnetCni(stage, `unix://${daemon.socket}`, '10.95.0.0/16') }),
      'tsnet alone': tsnetCni(stage, `unix://${stage.dir}/nobody.sock`, '10.96.0.0/16'),
      'CNI plugins': chain(stage),
      ...(existsSync(NETAVARK) && { netavark: netavark() }),
    }
    for (const verb of ['ADD', 'DEL'] as const) {
      const row = Object.entries(contestants).map(
        ([name, attach]): Contestant => ({ name, sample: async () => sample(attach, verb) }),
      )
      yield { title: verb === 'ADD' ? 'ADD, an interface' : 'DEL, it goes', unit: 'ms', contestants: row }
    }
    for (const link of ['bench-chain', 'bench-avark']) spawnSync('ip', ['link', 'delete', link])
  },
} satisfies Case

/** What every network driver does that makes interfaces. Each check gets an own network, in a network namespace of nobody else's. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { DriverContext, EndpointSpec, NetworkDriver } from '../../drivers/driver.ts'
import { listAddresses } from '../../netlink/address.ts'
import { getLink, isUp, listLinks } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { openSandbox, removeSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import type { Labels, NetworkRecord } from '../../store/records.ts'
import { inNetns } from '../../sys/netns.ts'
import { type EndpointId, type NetworkId, newId } from '../../values/id.ts'
import type { Check } from './check.ts'

export interface NetworkLab {
  readonly driver: NetworkDriver
  readonly context: DriverContext
  /** For the sandboxes. */
  readonly execRoot: string
  options(): Labels
  close(): Promise<void>
}

export const networkChecks: readonly Check<NetworkLab>[] = [
  {
    title: 'gives a container an interface that is up, named and addressed as wanted',
    run: (lab) =>
      withNetwork(lab, async (network, open) => {
        const sandbox = open()
        const endpoint = endpointSpec(lab, network, 2)
        const attachment = await lab.driver.attach(lab.context, endpoint, sandbox)
        using socket = openRouteSocket(sandbox.netns)
        const link = getLink(socket, 'eth0')
        assert.ok(isUp(link), 'eth0 is down')
        assert.equal(attachment.mac, link.address)
        const addresses = listAddresses(socket, link.index).map(({ cidr }) => cidr)
        assert.ok(addresses.includes('10.91.0.2/24'), `eth0 has ${addresses.join(', ')}`)
        await lab.driver.detach(lab.context, endpoint, sandbox)
      }),
  },
  {
    title: 'lets two containers of a network talk to each other',
    run: (lab) =>
      withNetwork(lab, async (network, open) => {
        const [one, two] = [open(), open()]
        const endpoints = [endpointSpec(lab, network, 2), endpointSpec(lab, network, 3)] as const
        await lab.driver.attach(lab.context, endpoints[0], one)
        await lab.driver.attach(lab.context, endpoints[1], two)
        assert.equal(await talk(one, two, '10.91.0.3'), 'hello')
        await lab.driver.detach(lab.context, endpoints[0], one)
        await lab.driver.detach(lab.context, endpoints[1], two)
      }),
  },
  {
    title: 'leaves nothing of an endpoint on the host, however often it is detached',
    run: (lab) =>
      withNetwork(lab, async (network, open) => {
        const sandbox = open()
        const before = linkNames()
        const endpoint = endpointSpec(lab, network, 2)
        await lab.driver.attach(lab.context, endpoint, sandbox)
        await lab.driver.detach(lab.context, endpoint, sandbox)
        await lab.driver.detach(lab.context, endpoint, sandbox)
        assert.deepEqual(linkNames(), before)
      }),
  },
  {
    title: 'leaves nothing of an endpoint whose container is gone',
    run: (lab) =>
      withNetwork(lab, async (network, open, close) => {
        const before = linkNames()
        const sandbox = open()
        const endpoint = endpointSpec(lab, network, 2)
        await lab.driver.attach(lab.context, endpoint, sandbox)
        close(sandbox)
        await lab.driver.detach(lab.context, endpoint, null)
        assert.deepEqual(linkNames(), before)
      }),
  },
  {
    title: 'attaches an endpoint again after it was detached',
    run: (lab) =>
      withNetwork(lab, async (network, open) => {
        const endpoint = endpointSpec(lab, network, 2)
        for (const sandbox of [open(), open()]) {
          await lab.driver.attach(lab.context, endpoint, sandbox)
          await lab.driver.detach(lab.context, endpoint, sandbox)
        }
      }),
  },
  {
    title: 'makes a network that is there already, and removes one that is gone',
    run: (lab) =>
      withNetwork(lab, async (network) => {
        const made = linkNames()
        await lab.driver.createNetwork(lab.context, network)
        assert.deepEqual(linkNames(), made)
        await lab.driver.removeNetwork(lab.context, network)
        await lab.driver.removeNetwork(lab.context, network)
      }),
  },
  {
    title: 'leaves nothing that a crash of the daemon could have left',
    run: (lab) =>
      withNetwork(lab, async (network, open) => {
        const before = linkNames()
        const sandbox = open()
        const endpoint = endpointSpec(lab, network, 2)
        await lab.driver.attach(lab.context, endpoint, sandbox)
        await lab.driver.sweep?.(lab.context, [network], [endpoint])
        assert.notDeepEqual(linkNames(sandbox), ['lo'], 'the sweep has taken an interface that is in use')
        await lab.driver.sweep?.(lab.context, [network], [])
        assert.deepEqual(linkNames(), before)
      }),
  },
]

/** Makes a network for `body`, and takes away whatever there is after it. What it leaves on the host is a failure too. */
async function withNetwork(
  lab: NetworkLab,
  body: (network: NetworkRecord, open: () => Sandbox, close: (sandbox: Sandbox) => void) => Promise<void>,
): Promise<void> {
  const { driver, context, execRoot } = lab
  const before = linkNames()
  const network = networkRecord(lab)
  const opened = new Set<Sandbox>()
  const open = (): Sandbox => {
    const sandbox = openSandbox({ execRoot, id: newId() })
    opened.add(sandbox)
    return sandbox
  }
  const close = (sandbox: Sandbox): void => {
    opened.delete(sandbox)
    sandbox[Symbol.dispose]()
    removeSandbox(execRoot, sandbox.id)
  }
  await using undo = new AsyncDisposableStack()
  undo.defer(() => driver.sweep?.(context, [], []))
  undo.defer(() => opened.forEach(close))
  driver.parseOptions(network)
  await driver.createNetwork(context, network)
  await body(network, open, close)
  await driver.removeNetwork(context, network)
  await driver.settle?.()
  assert.deepEqual(linkNames(), before, 'the network has left links on the host')
}

function networkRecord(lab: NetworkLab): NetworkRecord {
  return {
    id: newId<NetworkId>(),
    name: 'driver-test',
    createdAt: '2026-01-01T00:00:00.000Z',
    predefined: false,
    givenFamilies: [4],
    configuration: null,
    dnsServers: [],
    configOnly: false,
    configFrom: '',
    driver: lab.driver.name,
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: false,
    ipamDriver: 'default',
    ipamOptions: {},
    pools: [{ subnet: '10.91.0.0/24', range: '', gateway: '10.91.0.1', auxiliary: {} }],
    options: lab.options(),
    labels: {},
  }
}

function endpointSpec(lab: NetworkLab, network: NetworkRecord, host: number): EndpointSpec {
  const [pool] = network.pools
  return {
    id: newId<EndpointId>(),
    network,
    interfaceName: 'eth0',
    mac: '',
    address4: `10.91.0.${host}/24`,
    address6: '',
    linkLocal: [],
    gateway4: pool === undefined ? '' : lab.driver.gatewayFor(network, pool),
    gateway6: '',
    defaultRoute4: true,
    defaultRoute6: false,
    sysctls: {},
    onlyOwnMac: false,
    options: {},
  }
}

function linkNames(sandbox?: Sandbox): string[] {
  using socket = openRouteSocket(sandbox?.netns)
  return listLinks(socket)
    .map(({ name }) => name)
    .sort()
}

const server = `require('net').createServer((c) => c.end('hello')).listen(7000, process.argv[1], () => console.log('up'))`
const client = `const c = require('net').connect(7000, process.argv[1]); c.setTimeout(5000, () => c.destroy())
  c.on('data', (d) => process.stdout.write(d)).on('error', (e) => process.stdout.write(e.message))`

/** What a program in `from` is told by one in `to`. */
async function talk(from: Sandbox, to: Sandbox, address: string): Promise<string> {
  const serving = runIn(to, server, address)
  try {
    await once(serving.stdout, 'data')
    const asking = runIn(from, client, address)
    let answer = ''
    asking.stdout.on('data', (chunk: Buffer) => {
      answer += chunk.toString()
    })
    await once(asking, 'close')
    return answer
  } finally {
    serving.kill('SIGKILL')
  }
}

function runIn({ netns }: Sandbox, program: string, address: string) {
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
  return inNetns(netns, () => spawn(process.execPath, ['-e', program, address], { stdio }))
}

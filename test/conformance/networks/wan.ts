/** A neighbour behind a cable, which is all the world that a daemon's network namespace knows. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { openNetns } from '../../../src/sys/netns.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { FakeServer } from '../../helpers/dns-lab.ts'
import { writeEventsOf } from '../events-of.ts'
import type { Bare, Equipment } from '../side.ts'

export async function equip({ netns, folder, must }: Bare): Promise<Equipment> {
  const neighbour = basename(folder)
  const resolvers: FakeServer[] = []
  const stop = () => {
    for (const resolver of resolvers) resolver.close()
    execFileSync('ip', ['netns', 'del', neighbour])
  }
  execFileSync('ip', ['netns', 'add', neighbour])
  writeEventsOf(folder, 'network', '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}')
  try {
    for (const command of cable(netns, neighbour)) execFileSync('ip', command.split(' '))
    resolvers.push(...(await answerNames(neighbour)))
    const archive = busyboxArchive()
    await must('docker import - box', archive)
    await must("docker import --change 'EXPOSE 80/tcp' --change 'EXPOSE 53/udp' - exposing", archive)
  } catch (error) {
    stop()
    throw error
  }
  return { env: { NEIGHBOUR: neighbour }, before: [], clear: () => must(clearing), stop }
}

/** The host's way to the world, which is one neighbour that knows no way back to containers. */
const cable = (netns: string, neighbour: string) => [
  `-n ${netns} link add wan address 92:00:00:00:00:01 type veth peer name wan netns ${neighbour} address 92:00:00:00:00:02`,
  `-n ${netns} addr add 192.0.2.1/24 dev wan`,
  `-n ${netns} link set wan up`,
  `-n ${neighbour} addr add 192.0.2.2/24 dev wan`,
  `-n ${neighbour} link set wan up`,
  `-n ${netns} route add default via 192.0.2.2`,
]

/**
 * The neighbour is this machine's name server, and those which Docker takes when this machine's is on its loopback. It knows no
 * name: dockerd lets a client wait whose question nobody answers.
 */
async function answerNames(neighbour: string): Promise<FakeServer[]> {
  const named = readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^nameserver ((?!127\.)[\d.]+)$/gm)
  const addresses = new Set([...Array.from(named, ([, address]) => address!), '8.8.8.8', '8.8.4.4'])
  using netns = openNetns(`/run/netns/${neighbour}`)
  const servers: FakeServer[] = []
  for (const address of addresses) {
    execFileSync('ip', ['-n', neighbour, 'address', 'add', `${address}/32`, 'dev', 'wan'])
    servers.push(await FakeServer.start(address, (_, send) => send({ flags: 0x0183 }), netns))
  }
  return servers
}

const clearing = `
  containers=$(docker ps -aq) && { [ -z "$containers" ] || docker rm -f $containers; } &&
  networks=$(docker network ls -qf type=custom) && { [ -z "$networks" ] || docker network rm $networks; }`

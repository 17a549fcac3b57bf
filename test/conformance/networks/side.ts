/** A daemon with a network namespace of its own, a neighbour behind a cable, and a shell whose `docker` speaks to it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { openNetns } from '../../../src/sys/netns.ts'
import { busyboxArchive, type Result, run, TestDaemon } from '../../helpers/daemon.ts'
import { FakeServer } from '../../helpers/dns-lab.ts'
import { startDockerd } from '../../helpers/dockerd.ts'

export interface Side {
  /** Runs a line of the script by sh(1), inside the daemon's network namespace. */
  run(line: string): Promise<Result>
  /** Takes away what a topic has made. */
  clear(): Promise<void>
  stop(): Promise<void>
}

/** The client that comes with the dockerd which is compared with; TSNET_TEST_DOCKER names another. */
export const client = process.env['TSNET_TEST_DOCKER'] ?? '/usr/bin/docker'

interface Engine {
  readonly socket: string
  readonly netns: string
  stop(): Promise<void>
}

export const startDockerdSide = async (): Promise<Side> => startSide('dockerd', await startDockerd())
export const startTsnetSide = async (): Promise<Side> => startSide('tsnet', await TestDaemon.start())

async function startSide(name: string, engine: Engine): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'tsnet-side-'))
  const neighbour = basename(folder)
  const resolvers: FakeServer[] = []
  const stop = async () => {
    for (const resolver of resolvers) resolver.close()
    await engine.stop()
    execFileSync('ip', ['netns', 'del', neighbour])
    rmSync(folder, { recursive: true })
  }
  execFileSync('ip', ['netns', 'add', neighbour])
  symlinkSync(client, join(folder, 'docker'))
  writeFileSync(join(folder, 'events-of'), eventsOf, { mode: 0o755 })
  const env = {
    PATH: `${folder}:${process.env['PATH']}`,
    DOCKER_HOST: `unix://${engine.socket}`,
    DOCKER_CONFIG: folder,
    // A newer client would speak to each daemon in another version of the API.
    DOCKER_API_VERSION: '1.41',
    NEIGHBOUR: neighbour,
  }
  const shell = (line: string, input?: Buffer) =>
    run('nsenter', [`--net=/run/netns/${engine.netns}`, 'sh', '-c', line], {
      env,
      ...(input && { input }),
    })
  const must = async (line: string, input?: Buffer) => {
    const { code, stderr } = await shell(line, input)
    if (code !== 0) throw new Error(`${name}: ${line}: ${stderr}`)
  }
  try {
    await must(cable)
    resolvers.push(...(await answerNames(neighbour)))
    const archive = busyboxArchive()
    await must('docker import - box', archive)
    await must("docker import --change 'EXPOSE 80/tcp' --change 'EXPOSE 53/udp' - exposing", archive)
  } catch (error) {
    await stop()
    throw error
  }
  return { run: (line) => shell(line), clear: () => must(clearing), stop }
}

/** The host's way to the world, which is one neighbour that knows no way back to containers. */
const cable = `
  ip link add wan address 92:00:00:00:00:01 type veth peer name wan netns $NEIGHBOUR address 92:00:00:00:00:02 &&
  ip addr add 192.0.2.1/24 dev wan && ip link set wan up && ip route add default via 192.0.2.2 &&
  ip -n $NEIGHBOUR addr add 192.0.2.2/24 dev wan && ip -n $NEIGHBOUR link set wan up`

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

/** Runs a line between two networks of its own, so that it neither begins too early to listen nor ends too late. */
const eventsOf = `#!/bin/sh
log=$(mktemp)
docker events --filter type=network --format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}' > $log &
listener=$!
mark() {
  until grep -q "destroy $1" $log; do docker network create $1 && docker network rm $1; done > /dev/null
}
mark before
sh -c "$1"
mark after
kill $listener
grep -v -e ' before ' -e ' after ' $log
rm $log
`

/** Debian's podman with tsnet as the CNI plugin of its networks, over a live daemon and without one. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tsnetCni } from '../helpers/cni.ts'
import { busyboxArchive, run, TestDaemon } from '../helpers/daemon.ts'

const root = mkdtempSync(join(tmpdir(), 'tsnet-podman-'))
const [programs, networks] = [join(root, 'bin'), join(root, 'net.d')]
const settings = join(root, 'containers.conf')
const daemon = await TestDaemon.start()
/** Its containers' cgroups, which podman leaves empty, and limits that need no rights that the machine may keep from root. */
const limits = [
  '--cgroup-parent',
  `/${basename(root)}`,
  ...['nofile', 'nproc'].flatMap((name) => ['--ulimit', `${name}=1024:1024`]),
]

/** In the host's mount namespace, where the daemon sees the sandboxes that podman makes. */
async function podman(...args: string[]): Promise<string> {
  const flags = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(root, name)])
  const command = ['podman', ...flags, '--network-config-dir', networks, '--storage-driver', 'vfs', ...args]
  const input = args[0] === 'import' ? busyboxArchive() : ''
  const env = { CONTAINERS_CONF: settings }
  const { code, stdout, stderr } = await run('nsenter', [`--net=/run/netns/${daemon.netns}`, ...command], {
    env,
    input,
  })
  if (code !== 0) throw new Error(`podman ${args.join(' ')}: ${code}: ${stderr}`)
  return stdout.trim()
}

function describeNetwork(name: string, subnet: string, more: object): void {
  const capabilities = { portMappings: true, ips: true, mac: true }
  const plugin = { type: 'tsnet', capabilities, ipam: { subnet }, ...more }
  writeFileSync(
    join(networks, `${name}.conflist`),
    JSON.stringify({ cniVersion: '0.4.0', name, plugins: [plugin] }),
  )
}

beforeAll(async () => {
  for (const directory of [programs, networks]) mkdirSync(directory)
  symlinkSync(tsnetCni, join(programs, 'tsnet'))
  writeFileSync(
    settings,
    `[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["${programs}"]\n` +
      '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n',
  )
  describeNetwork('served', '10.74.0.0/24', { host: `unix://${daemon.socket}`, stateDir: join(root, 'no') })
  describeNetwork('alone', '10.75.0.0/24', {
    host: `unix://${root}/nobody.sock`,
    stateDir: join(root, 'state'),
  })
  await podman('import', '--quiet', '-', 'box')
}, 60_000)
afterAll(async () => {
  await podman('rm', '-af', '-t', '0')
  await daemon.stop()
  await run('find', [
    '/sys/fs/cgroup',
    '-depth',
    '-type',
    'd',
    '-path',
    `*/${basename(root)}*`,
    '-exec',
    'rmdir',
    '{}',
    '+',
  ])
  rmSync(root, { recursive: true, force: true })
})

const links = (): string => daemon.inNetns('ip', ['-o', 'link'])
const rules = (): string => daemon.inNetns('nft', ['list', 'ruleset'])

describe('podman on a network of tsnet', () => {
  for (const [network, net] of [
    ['served', '10.74.0'],
    ['alone', '10.75.0'],
  ] as const) {
    it(`that is ${network} has addresses, neighbours and ports as asked for, and leaves nothing`, async () => {
      const create = ['run', '-d', '--name', network, ...limits, '-p', '8074:80']
      const wish = `${network}:ip=${net}.9,mac=02:00:00:00:74:09`
      await podman(...create, '--network', wish, 'box', 'nc', '-l', '-p', '80', '-e', 'echo', 'served')
      const state = JSON.parse(
        await podman('inspect', network, '--format', '{{json .NetworkSettings.Networks}}'),
      )
      expect(state[network]).toMatchObject({
        IPAddress: `${net}.9`,
        Gateway: `${net}.1`,
        MacAddress: '02:00:00:00:74:09',
      })
      const beside = ['run', '--rm', ...limits, '--network', network, 'box']
      await podman(...beside, 'ping', '-c', '1', '-W', '2', `${net}.9`)
      expect((await daemon.exec('busybox', 'nc', '-w', '1', `${net}.1`, '8074')).stdout).toBe('served\n')
      await podman('rm', '-f', '-t', '0', network)
      expect(links()).not.toMatch(/veth/)
      expect(rules()).not.toContain('8074')
    })
  }
})

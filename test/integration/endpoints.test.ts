/** Interfaces of containers as the user wants them: names that stay, addresses of one family, link-local ones, sysctls. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, wait, inside, addressOf } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  for (const [index, name] of ['red', 'green', 'blue', 'white'].entries())
    await docker('network', 'create', '--subnet', `10.61.${index}.0/24`, name)
})
afterEach(client.clear)
afterAll(() => daemon.stop())

const page = 'mkdir /w; echo hello > /w/index.html; exec httpd -f -h /w'

/** The networks' third numbers by interface, as the container sees them. */
async function places(container: string): Promise<string> {
  const text = await inside(container, 'ip -o -4 addr show')
  const found = [...text.matchAll(/^\d+: (\w+) +inet 10\.61\.(\d)\./gm)]
  return found.map(([, name, number]) => `${name}=${number}`).join(' ')
}

/** Through the API: Docker's client has no flag for some of this. */
async function connect(network: string, container: string, endpoint: object): Promise<number> {
  const body = { Container: container, EndpointConfig: endpoint }
  return (await daemon.api('POST', `/v1.50/networks/${network}/connect`, body)).status
}

describe('names of interfaces', () => {
  it('are in the order of declaration, and stay over restarts and changes', async () => {
    await wait('many', '--network', 'red')
    await docker('network', 'connect', 'green', 'many')
    await docker('network', 'connect', 'blue', 'many')
    expect(await places('many')).toBe('eth0=0 eth1=1 eth2=2')
    await docker('restart', '-t', '0', 'many')
    expect(await places('many')).toBe('eth0=0 eth1=1 eth2=2')
    await docker('network', 'disconnect', 'green', 'many')
    await docker('network', 'connect', 'white', 'many')
    expect(await places('many')).toBe('eth0=0 eth2=2 eth1=3')
    for (let round = 0; round < 3; round++) {
      await docker('restart', '-t', '0', 'many')
      const names = (await places('many')).split(' ').sort()
      expect(names).toEqual(['eth0=0', 'eth1=3', 'eth2=2'])
    }
  })

  it('are those that the user gives, once in a container', async () => {
    await wait('named', '--network', 'red')
    const named = (name: string) => ({ DriverOpts: { 'com.docker.network.endpoint.ifname': name } })
    expect(await connect('green', 'named', named('lan0'))).toBe(200)
    expect(await places('named')).toBe('eth0=0 lan0=1')
    expect(await connect('blue', 'named', named('lan0'))).toBe(409)
    expect(await connect('blue', 'named', named('eth0'))).toBe(409)
    expect(await connect('blue', 'named', named('a/b'))).toBe(400)
    expect(await places('named')).toBe('eth0=0 lan0=1')
    await docker('restart', '-t', '0', 'named')
    expect(await places('named')).toBe('eth0=0 lan0=1')
  })
})

describe('an endpoint', () => {
  it('has link-local addresses beside its own, and neighbours reach them', async () => {
    await wait('local', '--network', 'red', '--link-local-ip', '169.254.61.1')
    await wait('asker', '--network', 'red')
    expect(await inside('local', 'ip -o addr show eth0')).toContain('169.254.61.1/16')
    const network = (await client.inspect('container', 'local')).NetworkSettings.Networks['red']
    expect(network?.IPAMConfig).toEqual({ LinkLocalIPs: ['169.254.61.1'] })
    expect(await inside('asker', 'arping -c 1 -w 2 -I eth0 169.254.61.1')).toContain('Received 1 response')
  })

  it('has sysctls of its interface alone', async () => {
    const key = 'com.docker.network.endpoint.sysctls'
    await docker('create', '--name', 'tuned', '--network', 'red', 'box', 'sleep', '600')
    const options = { DriverOpts: { [key]: 'net.ipv4.conf.IFNAME.log_martians=1' } }
    expect(await connect('green', 'tuned', options)).toBe(200)
    await docker('start', 'tuned')
    const read = 'cat /proc/sys/net/ipv4/conf/eth0/log_martians /proc/sys/net/ipv4/conf/eth1/log_martians'
    expect(await inside('tuned', read)).toBe('0\n1')
    expect(await connect('blue', 'tuned', { DriverOpts: { [key]: 'net.ipv4.ip_forward=1' } })).toBe(400)
    expect(await connect('blue', 'tuned', { DriverOpts: { 'com.example.odd': '1' } })).toBe(400)
  })
})

describe('a network without IPv4', () => {
  it('cannot be without IPv6 too', async () => {
    const { stderr } = await daemon.tsnet('network', 'create', '--ipv4=false', 'nothing')
    expect(stderr).toContain('network nothing: IPv4 or IPv6 must be enabled')
  })

  it('has names, files and ports by IPv6 alone', async () => {
    await tsnet('network', 'create', '--ipv4=false', '--ipv6', 'six')
    await docker('run', '-d', '--name', 'site', '--network', 'six', '-p', '8061:80', 'box', 'sh', '-c', page)
    await wait('visitor', '--network', 'six')
    expect(await addressOf('site', 'six')).toBe('')
    expect(await inside('visitor', 'ip -o -4 addr show eth0')).toBe('')
    expect(await inside('visitor', 'ip -4 route')).toBe('')
    expect(await inside('visitor', 'grep $(hostname) /etc/hosts')).toMatch(/^fd[0-9a-f:]+\s/)
    const visit = async () => (await daemon.docker('exec', 'visitor', 'wget', '-qO-', 'http://site/')).stdout
    await expect.poll(visit, { timeout: 10_000 }).toBe('hello\n')
    for (const address of ['[::1]', '127.0.0.1'])
      expect(daemon.inNetns('curl', ['-s', `http://${address}:8061/`])).toBe('hello\n')
    await client.clear()
    await docker('network', 'rm', 'six')
  })
})

describe('ports of a network with addresses to bind to', () => {
  it('are published on these, for each family', async () => {
    const option = (family: number, address: string) =>
      ['--opt', `com.docker.network.bridge.host_binding_ipv${family}=${address}`] as const
    await docker('network', 'create', '--ipv6', ...option(4, '127.0.0.1'), ...option(6, '::1'), 'bound')
    await wait('bound1', '--network', 'bound', '-p', '8062:80')
    expect((await docker('port', 'bound1')).split('\n').sort()).toEqual([
      '80/tcp -> 127.0.0.1:8062',
      // Older clients write it without the brackets.
      expect.stringMatching(/^80\/tcp -> (\[::1\]|::1):8062$/),
    ])
    await client.clear()
    await docker('network', 'rm', 'bound')
  })
})

describe('containers that are kept apart', () => {
  it('reach each other’s and their own published ports by the host, and nothing else', async () => {
    // Where somebody has switched this on, a packet to a published port is turned round in the bridge, which keeps its ports apart.
    const filtered = '/proc/sys/net/bridge/bridge-nf-call-iptables'
    daemon.inNetns('sh', ['-c', `[ ! -e ${filtered} ] || echo 0 > ${filtered}`])
    const apart = ['--opt', 'com.docker.network.bridge.enable_icc=false']
    await docker('network', 'create', ...apart, '--subnet', '10.62.0.0/24', 'apart')
    const serve = ['box', 'sh', '-c', page]
    await docker('run', '-d', '--name', 'server', '--network', 'apart', '-p', '8063:80', ...serve)
    await wait('client', '--network', 'apart')
    await wait('stranger', '--network', 'red')
    const ask = async (from: string, address: string, port: number): Promise<string> => {
      const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${address} ${port} | tail -n 1`
      return (await daemon.docker('exec', from, 'sh', '-c', script)).stdout
    }
    const server = await addressOf('server', 'apart')
    await expect.poll(() => ask('server', server, 80), { timeout: 10_000 }).toBe('hello\n')
    for (const from of ['client', 'server', 'stranger'])
      expect(await ask(from, '10.62.0.1', 8063)).toBe('hello\n')
    const directly = await Promise.all(['client', 'stranger'].map((from) => ask(from, server, 80)))
    expect(directly).toEqual(['', ''])
    await client.clear()
    await docker('network', 'rm', 'apart')
  })
})

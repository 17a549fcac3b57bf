import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, netnsOf, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, refusal, inspect, remove, wait, inside, addressOf } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(client.clear)
afterAll(() => daemon.stop())

const pidOf = async (name: string): Promise<number> =>
  Number(await docker('inspect', '-f', '{{.State.Pid}}', name))
const interfaces = (name: string): Promise<string> => inside(name, 'ls /sys/class/net | xargs')

describe('a container in the network of another', () => {
  it('has its namespace, host name and files, and no endpoint of its own', async () => {
    const id = await wait('owner')
    await wait('guest', '--network', 'container:owner')
    expect(netnsOf(await pidOf('guest'))).toBe(netnsOf(await pidOf('owner')))
    expect(await inside('guest', 'hostname')).toBe(id.slice(0, 12))
    expect(await inside('guest', 'echo $HOSTNAME')).toBe(id.slice(0, 12))
    await inside('owner', 'echo 10.9.9.9 shared >> /etc/hosts')
    expect(await inside('guest', 'cat /etc/hosts')).toContain('10.9.9.9 shared')
    expect(await inside('guest', 'cat /etc/resolv.conf')).toBe(await inside('owner', 'cat /etc/resolv.conf'))
    const guest = await inspect('container', 'guest')
    const owner = await inspect('container', 'owner')
    expect(guest.HostConfig.NetworkMode).toBe(`container:${id}`)
    expect(guest.NetworkSettings).toMatchObject({ Networks: {}, SandboxID: '', SandboxKey: '', Ports: {} })
    expect([guest.HostsPath, guest.HostnamePath, guest.ResolvConfPath]).toEqual([
      owner.HostsPath,
      owner.HostnamePath,
      owner.ResolvConfPath,
    ])
    expect(guest.LogPath).not.toBe(owner.LogPath)
    expect(guest.Config.Hostname).toBe(id.slice(0, 12))
  })

  it('is reached by the ports and names of the other, which it cannot have itself', async () => {
    await wait('owner', '-p', '127.0.0.1:18080:80')
    await docker(
      ...['run', '-d', '--name', 'guest', '--network', 'container:owner', 'box'],
      ...['sh', '-c', 'echo shared > /tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    )
    await expect
      .poll(async () => (await daemon.exec('curl', '-s', 'http://127.0.0.1:18080/')).stdout)
      .toBe('shared\n')
    const create = (...flags: string[]): Promise<string> =>
      refusal('create', '--network', 'container:owner', ...flags, 'box')
    for (const [flags, text] of [
      [['-p', '80:80'], 'conflicting options: port publishing and the container type network mode'],
      [['-P'], 'conflicting options: port publishing and the container type network mode'],
      [['--expose', '80'], 'conflicting options: port exposing and the container type network mode'],
      [['--hostname', 'x'], 'conflicting options: hostname and the network mode'],
      [['--dns', '10.0.0.1'], 'conflicting options: dns and the network mode'],
      [['--add-host', 'a:10.0.0.1'], 'conflicting options: custom host-to-IP mapping and the network mode'],
      [['--ip', '10.0.0.9'], 'conflicting options: endpoint settings and the container type network mode'],
    ] as const) {
      expect(await create(...flags)).toContain(text)
    }
    expect(
      await daemon.api('POST', '/tsnet/v1/containers/guest/publish', {
        PortBindings: { '80/tcp': [{ HostPort: '18082' }] },
      }),
    ).toEqual({
      status: 400,
      body: { message: 'conflicting options: port publishing and the container type network mode' },
    })
    // What some of Docker's clients do not ask for, or refuse themselves.
    const asked = (body: object, host: object = {}) =>
      daemon.api('POST', '/v1.43/containers/create', {
        ...{ Image: 'box', ...body },
        HostConfig: { NetworkMode: 'container:owner', ...host },
      })
    expect(await asked({ MacAddress: '02:42:00:00:00:01' })).toMatchObject({
      status: 400,
      body: { message: 'conflicting options: mac-address and the network mode' },
    })
    expect(await asked({}, { Links: ['owner'] })).toMatchObject({
      status: 400,
      body: {
        message: expect.stringContaining(
          "conflicting options: container type network can't be used with links",
        ),
      },
    })
  })

  it('cannot join what does not run or is not there, nor be on a network besides', async () => {
    for (const mode of ['container', 'container:']) {
      expect(await refusal('create', '--network', mode, 'box')).toContain(
        'invalid network mode: invalid container format container:<name|id>',
      )
    }
    expect(await refusal('run', '--name', 'late', '--network', 'container:nobody', 'box', 'true')).toContain(
      'No such container: nobody',
    )
    const id = await docker('create', '--name', 'created', 'box', 'true')
    expect(
      await refusal('run', '--name', 'guest', '--network', 'container:created', 'box', 'true'),
    ).toContain(`cannot join network of a non running container: ${id}`)
    expect((await inspect('container', 'guest')).State).toMatchObject({
      ExitCode: 128,
      Error: `cannot join network of a non running container: ${id}`,
    })
    await docker('create', '--name', 'selfish', '--network', 'container:selfish', 'box', 'true')
    expect(await refusal('start', 'selfish')).toContain('cannot join own network')
    await wait('owner')
    await wait('joined', '--network', 'container:owner')
    expect(await refusal('network', 'connect', 'bridge', 'joined')).toContain(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    )
    expect(await refusal('network', 'disconnect', 'bridge', 'joined')).toContain(
      'is not connected to network bridge',
    )
    await wait('hosted', '--network', 'host')
    expect(await refusal('network', 'connect', 'bridge', 'hosted')).toContain(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    )
    expect(
      await refusal(
        'run',
        '--network',
        'container:hosted',
        '--sysctl',
        'net.ipv4.ip_forward=1',
        'box',
        'true',
      ),
    ).toContain("container hosted is on the host's network")
    expect(await docker('run', '--rm', '--network', 'container:hosted', 'box', 'ip', '-o', 'link')).toBe(
      await docker('run', '--rm', '--network', 'host', 'box', 'ip', '-o', 'link'),
    )
  })

  it('keeps the network when the other is started again, and lives on without when that is removed', async () => {
    await docker('network', 'create', '--subnet', '10.66.0.0/24', 'shared')
    await wait('owner', '--network', 'shared', '-p', '127.0.0.1:18081:80')
    await wait('peer', '--network', 'shared')
    await wait('guest', '--network', 'container:owner')
    await wait('guest-of-guest', '--network', 'container:guest')
    const address = await addressOf('owner', 'shared')
    await docker('stop', '-t', '0', 'owner')
    expect(await interfaces('guest')).toBe('lo')
    await docker('start', 'owner')
    expect(netnsOf(await pidOf('owner'))).toBe(netnsOf(await pidOf('guest')))
    expect(await interfaces('guest')).toBe('eth0 lo')
    expect(await inside('guest', 'ip -4 -o addr show eth0')).toContain(address)
    expect(await inside('guest-of-guest', 'nslookup -type=a peer 127.0.0.11')).toContain(
      await addressOf('peer', 'shared'),
    )
    await daemon.kill()
    await daemon.launch()
    expect(await inside('guest', 'ping -c1 -W2 peer')).toContain('1 packets received')
    expect(await docker('exec', 'guest-of-guest', 'hostname')).toBe(
      (await inspect('container', 'owner')).Config.Hostname,
    )
    await docker('restart', '-t', '0', 'guest')
    expect(await interfaces('guest')).toBe('eth0 lo')
    await docker('rm', '-f', 'owner')
    expect(await interfaces('guest')).toBe('lo')
    expect(await refusal('restart', '-t', '0', 'guest')).toContain('No such container')
    await remove('guest', 'guest-of-guest', 'peer')
    await docker('network', 'rm', 'shared')
    expect(daemon.inNetns('ip', ['-br', 'link', 'show', 'type', 'veth'])).toBe('')
  })
})

describe('exposed ports', () => {
  it('are told of a container to which something could lead, and else of its settings alone', async () => {
    await docker('network', 'create', '--internal', 'within')
    const listed = async (name: string): Promise<unknown> => {
      const { NetworkSettings, Config } = await inspect('container', name)
      expect(Config.ExposedPorts).toEqual({ '90/tcp': {} })
      const ports = await docker('ps', '--filter', `name=${name}`, '--format', '{{.Ports}}')
      return [NetworkSettings.Ports, ports]
    }
    for (const network of ['host', 'none', 'within']) {
      await wait(`in-${network}`, '--network', network, '--expose', '90')
      expect(await listed(`in-${network}`)).toEqual([{}, ''])
    }
    await docker('network', 'connect', 'bridge', 'in-within')
    expect(await listed('in-within')).toEqual([{ '90/tcp': null }, '90/tcp'])
    await docker('rm', '-f', 'in-within')
    await docker('network', 'rm', 'within')
  })
})

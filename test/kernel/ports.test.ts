import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFirewall, type Firewall } from '../../src/firewall/firewall.ts'
import { publishRules } from '../../src/firewall/publish.ts'
import { createPorts, type Ports } from '../../src/ports/ports.ts'
import type { PortBinding, PublishedPort } from '../../src/store/records.ts'
import { openInetSocket, socketPort } from '../../src/sys/socket.ts'
import { bridgeRules, createLab, enterThrowAwayNetns, host, type Lab } from '../helpers/firewall-lab.ts'

const log = pino({ level: 'silent' })
const translated = { routed4: false, routed6: false }
const only4 = { v4: '172.30.1.2', v6: '', ...translated }
const both = { v4: '172.30.1.2', v6: 'fd00:30:1::2', ...translated }

function binding(wish: Partial<PortBinding>): PortBinding {
  const hostPort = wish.hostPort ?? 0
  const count = wish.count ?? 1
  const end = hostPort === 0 ? 0 : hostPort + count - 1
  return {
    protocol: 'tcp',
    containerPort: 80,
    hostAddress: '',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort,
    hostPortEnd: end,
    count,
    ...wish,
  }
}

const openDescriptors = () => readdirSync('/proc/self/fd').length

describe('host ports', () => {
  let lab: Lab
  let ports: Ports

  beforeAll(async () => {
    await enterThrowAwayNetns()
    lab = await createLab()
  })
  afterAll(() => lab.close())
  beforeEach(() => {
    ports = createPorts({ log, proxy: true })
  })
  afterEach(() => ports.close())

  const reserve = (wish: Partial<PortBinding>, owner = 'aaa', targets = only4) =>
    ports.reserve(owner, `name-of-${owner}`, [binding(wish)], targets)

  describe('when reserved', () => {
    it('are taken on all addresses of both families under one number', async () => {
      expect(await reserve({ hostPort: 8080 })).toMatchObject([
        { protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, containerPort: 80, count: 1, via: 'dnat' },
        { protocol: 'tcp', hostAddress: '::', hostPort: 8080, containerPort: 80, count: 1, via: 'proxy' },
      ])
      const open = (family: 4 | 6, address: string) =>
        openInetSocket({
          family,
          type: 'stream',
          address,
          port: 8080,
          listen: 1,
          reuseAddress: true,
          v6only: family === 6,
        })
      expect(() => open(4, '127.0.0.1')).toThrow('bind 127.0.0.1:8080/tcp: EADDRINUSE')
      expect(() => open(6, '::1')).toThrow('bind [::1]:8080/tcp: EADDRINUSE')
    })

    it('go to DNAT in both families when the container has both', async () => {
      expect((await reserve({ hostPort: 8080 }, 'aaa', both)).map(({ via }) => via)).toEqual(['dnat', 'dnat'])
    })

    it('skip IPv6 where the host has none', async () => {
      writeFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', '1')
      try {
        expect((await reserve({ hostPort: 8080 })).map(({ hostAddress }) => hostAddress)).toEqual(['0.0.0.0'])
      } finally {
        writeFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', '0')
      }
    })

    it('accept nothing themselves: the port looks dead until the rules stand', async () => {
      await reserve({ hostPort: 8080 })
      expect(await host.tcp('127.0.0.1', 8080)).toBe('nothing')
    })

    it('are free again once released', async () => {
      const before = openDescriptors()
      for (const protocol of ['tcp', 'udp'] as const) {
        await reserve({ hostPort: 8080, protocol })
        ports.release('aaa')
        ports.release('aaa')
        await reserve({ hostPort: 8080, protocol }, 'bbb')
        ports.release('bbb')
      }
      await new Promise(setImmediate)
      expect(openDescriptors()).toBe(before)
    })

    it('can be of an address that the host does not have yet', async () => {
      for (const hostAddress of ['198.51.100.1', '2001:db8:9::1']) {
        expect(await reserve({ hostPort: 8080, hostAddress }, hostAddress)).toHaveLength(1)
      }
    })

    it('are one descriptor a port, whatever serves it, and none that select(2) could use', async () => {
      const low = () => readdirSync('/proc/self/fd').filter((fd) => Number(fd) < 1024).length
      const [all, few] = [openDescriptors(), low()]
      await reserve({ hostPort: 10_000, count: 1000 })
      await reserve({ hostPort: 10_000, count: 1000, protocol: 'udp' }, 'bbb', both)
      await new Promise(setImmediate)
      expect(openDescriptors() - all).toBe(2000)
      expect(low()).toBe(few)
    })

    it('form one published range', async () => {
      const published = await reserve({
        hostPort: 8000,
        count: 100,
        containerPort: 80,
        hostAddress: '127.0.0.1',
      })
      expect(published).toMatchObject([
        {
          protocol: 'tcp',
          hostAddress: '127.0.0.1',
          hostPort: 8000,
          containerPort: 80,
          count: 100,
          via: 'dnat',
        },
      ])
      const last = { family: 4, type: 'stream', address: '127.0.0.1', port: 8099, listen: 1 } as const
      expect(() => openInetSocket(last)).toThrow('EADDRINUSE')
    })

    it('say that SCTP is unsupported where the kernel lacks it', async () => {
      const hasSctp = (() => {
        try {
          openInetSocket({ family: 4, type: 'sctp', address: '127.0.0.1', port: 0 }).close()
          return true
        } catch {
          return false
        }
      })()
      const attempt = reserve({ hostPort: 8080, protocol: 'sctp', hostAddress: '127.0.0.1' })
      if (hasSctp) expect(await attempt).toHaveLength(1)
      else await expect(attempt).rejects.toMatchObject({ kind: 'unsupported', code: 'sctp' })
    })
  })

  describe('at one interface', () => {
    it('leave the others to others', async () => {
      await reserve({ hostPort: 8080, hostInterface: 'lo' })
      await expect(reserve({ hostPort: 8080 }, 'bbb')).rejects.toThrow(
        'Bind for 0.0.0.0:8080 failed: port is already allocated (by container name-of-aaa)',
      )
      await expect(reserve({ hostPort: 8080, hostInterface: 'lo' }, 'bbb')).rejects.toThrow(
        'Bind for lo:8080 failed',
      )
      expect(await reserve({ hostPort: 8080, hostInterface: 'br-a' }, 'bbb')).toMatchObject([
        { hostAddress: '0.0.0.0', hostInterface: 'br-a' },
        { hostAddress: '::', hostInterface: 'br-a' },
      ])
    })
  })

  describe('for some clients', () => {
    it('are taken in the families of these', async () => {
      const places = async (sources: string[], owner: string) =>
        (await reserve({ sources }, owner)).map(({ hostAddress }) => hostAddress)
      expect(await places(['10.0.0.0/8'], 'a')).toEqual(['0.0.0.0'])
      expect(await places(['fd00::/8'], 'b')).toEqual(['::'])
      expect(await places(['10.0.0.0/8', 'fd00::/8'], 'c')).toEqual(['0.0.0.0', '::'])
    })
  })

  describe('of a network that is routed to', () => {
    const routed = { ...both, routed4: true, routed6: true }

    it('are not the host’s, so that many may have the same', async () => {
      const expected = [
        { hostAddress: '0.0.0.0', hostPort: 0, containerPort: 80, via: 'route' },
        { hostAddress: '::', hostPort: 0, containerPort: 80, via: 'route' },
      ]
      expect(await reserve({ hostPort: 8080 }, 'aaa', routed)).toMatchObject(expected)
      expect(await reserve({ hostPort: 8080 }, 'bbb', routed)).toMatchObject(expected)
      expect(await reserve({ hostPort: 8080 }, 'ccc')).toHaveLength(2)
    })

    it('are the host’s in the family that is translated', async () => {
      expect(await reserve({ hostPort: 8080 }, 'aaa', { ...both, routed6: true })).toMatchObject([
        { hostAddress: '0.0.0.0', hostPort: 8080, via: 'dnat' },
        { hostAddress: '::', hostPort: 0, via: 'route' },
      ])
      // no other family is led to a container that is routed to
      expect(await reserve({ hostPort: 8080 }, 'bbb', { ...only4, routed4: true })).toMatchObject([
        { hostAddress: '0.0.0.0', via: 'route' },
      ])
    })
  })

  describe('given back in part', () => {
    it('leave a range in two', async () => {
      const published = await reserve({ hostPort: 8000, count: 10, containerPort: 100 })
      const middle = published.map((port) => ({ ...port, hostPort: 8004, containerPort: 104, count: 2 }))
      ports.release('aaa', middle)
      expect(await reserve({ hostPort: 8004, count: 2 }, 'bbb')).toHaveLength(2)
      for (const hostPort of [8003, 8006]) {
        await expect(reserve({ hostPort }, 'ccc')).rejects.toThrow('by container name-of-aaa')
      }
      ports.release('aaa')
      expect(await reserve({ hostPort: 8000, count: 4 }, 'ccc')).toHaveLength(2)
    })
  })

  describe('in conflict', () => {
    it('name the container that has them', async () => {
      await reserve({ hostPort: 8080 })
      await expect(reserve({ hostPort: 8080 }, 'bbb')).rejects.toMatchObject({
        kind: 'conflict',
        message: 'Bind for 0.0.0.0:8080 failed: port is already allocated (by container name-of-aaa)',
      })
      await expect(reserve({ hostPort: 8080, hostAddress: '127.0.0.1' }, 'bbb')).rejects.toThrow(
        'Bind for 127.0.0.1:8080 failed: port is already allocated (by container name-of-aaa)',
      )
    })

    it('do not mix up protocols', async () => {
      await reserve({ hostPort: 8080 })
      expect(await reserve({ hostPort: 8080, protocol: 'udp' }, 'bbb')).toHaveLength(2)
    })

    it('that somebody binds elsewhere are kept from others without a socket, until they are released', async () => {
      const unbound = { ...only4, unrelayed: true, unbound: true } as const
      const before = openDescriptors()
      const published = await reserve({ hostPort: 8084 }, 'pod', unbound)
      expect(openDescriptors()).toBe(before)
      const refusal = 'Bind for 0.0.0.0:8084 failed: port is already allocated (by container name-of-pod)'
      await expect(reserve({ hostPort: 8084 })).rejects.toThrow(refusal)
      await expect(reserve({ hostPort: 8084 }, 'other', unbound)).rejects.toThrow(refusal)
      const [next] = await reserve({ hostPort: 8084, hostPortEnd: 8085 })
      expect(next?.hostPort).toBe(8085)
      ports.adopt('pod', 'again', published, unbound)
      await expect(reserve({ hostPort: 8084 })).rejects.toThrow('(by container again)')
      ports.release('pod')
      await reserve({ hostPort: 8084 })
    })

    it('name the process that has them', async () => {
      const server = net.createServer().listen(8081, '0.0.0.0')
      await once(server, 'listening')
      await expect(reserve({ hostPort: 8081 })).rejects.toThrow(
        new RegExp(
          `^failed to bind host port 0\\.0\\.0\\.0:8081/tcp: address already in use \\(held by .+, process ${process.pid}\\)$`,
        ),
      )
      server.close()
    })

    it('name interfaces that the host does not have', async () => {
      await expect(reserve({ hostPort: 8081, hostInterface: 'eth7' })).rejects.toMatchObject({
        kind: 'invalid',
        message: 'failed to bind host port eth7:8081/tcp: the host has no interface eth7',
      })
    })

    it('wait for an outgoing connection that has them to go', async () => {
      const server = net.createServer().listen(8500, '127.0.0.1')
      await once(server, 'listening')
      const passing = net.connect({ port: 8500, host: '127.0.0.1' })
      const [accepted] = (await once(server, 'connection')) as [net.Socket]
      const attempt = reserve({ hostPort: passing.localPort ?? 0 })
      await new Promise((resolve) => setTimeout(resolve, 100))
      // reset, so that nothing is left of it
      passing.resetAndDestroy()
      accepted.on('error', () => {})
      expect(await attempt).toHaveLength(2)
      server.close()
    })

    it('name the outgoing connection that does not go', async () => {
      const server = net.createServer().listen(8500, '127.0.0.1')
      await once(server, 'listening')
      const staying = net.connect({ port: 8500, host: '127.0.0.1' })
      const [accepted] = (await once(server, 'connection')) as [net.Socket]
      await expect(reserve({ hostPort: staying.localPort ?? 0 })).rejects.toThrow(
        new RegExp(`held by an outgoing connection of .+, process ${process.pid}`),
      )
      accepted.on('error', () => {})
      staying.resetAndDestroy()
      server.close()
    })

    it('leave nothing reserved, not even the bindings before', async () => {
      await reserve({ hostPort: 8082 }, 'bbb')
      const wishes = [binding({ hostPort: 8090, count: 5 }), binding({ hostPort: 8082 })]
      await expect(ports.reserve('ccc', 'c', wishes, only4)).rejects.toThrow('8082')
      expect(await reserve({ hostPort: 8090, count: 5 }, 'ddd')).toHaveLength(2)
    })
  })

  describe('when chosen', () => {
    const first = (published: readonly PublishedPort[]) => published[0]!.hostPort

    it('lie outside the range of outgoing connections and differ from each other', async () => {
      const chosen = new Set<number>()
      for (let i = 0; i < 20; i++) chosen.add(first(await reserve({}, `owner${i}`)))
      expect(chosen.size).toBe(20)
      for (const port of chosen) expect(port < 32_768 || port > 60_999).toBe(true)
    })

    it('are there two hundred times while outgoing connections take nearly all they can', async () => {
      writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '40000 40999')
      const clients = Array.from({ length: 900 }, (_, index) =>
        openInetSocket({ family: 4, type: 'stream', address: '0.0.0.0', port: 40_000 + index }),
      )
      try {
        const chosen = new Set<number>()
        for (let i = 0; i < 200; i++) chosen.add(first(await reserve({}, `owner${i}`)))
        expect(chosen.size).toBe(200)
      } finally {
        for (const socket of clients) socket.close()
        writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '32768 60999')
      }
    })

    it('avoid reserved ports, and ports of other programs', async () => {
      writeFileSync('/proc/sys/net/ipv4/ip_local_reserved_ports', '61000-61010,61012')
      const other = openInetSocket({ family: 4, type: 'stream', address: '0.0.0.0', port: 61_011, listen: 1 })
      expect(first(await reserve({}))).toBe(61_013)
      other.close()
      writeFileSync('/proc/sys/net/ipv4/ip_local_reserved_ports', '\n')
    })

    it('are contiguous for a range', async () => {
      const other = openInetSocket({ family: 4, type: 'stream', address: '0.0.0.0', port: 61_005, listen: 1 })
      expect(first(await reserve({ count: 10 }))).toBe(61_006)
      other.close()
    })

    it('come from the span that was offered, until it is used up', async () => {
      const wish = { hostPort: 8000, hostPortEnd: 8002 }
      expect(first(await reserve(wish, 'a'))).toBe(8000)
      expect(first(await reserve(wish, 'b'))).toBe(8001)
      expect(first(await reserve(wish, 'c'))).toBe(8002)
      await expect(reserve(wish, 'd')).rejects.toThrow('all ports are allocated in 0.0.0.0:8000-8002/tcp')
    })
  })

  describe('with rules in place', () => {
    let firewall: Firewall

    beforeAll(async () => {
      firewall = createFirewall({ backend: 'nftables', instance: '', log })
      for (const port of [80, 81]) {
        await lab.a1.serveTcp(4, port)
        await lab.a1.serveTcp(6, port)
      }
      await lab.a1.serveUdp(4, 53)
      await lab.a1.serveUdp(6, 53)
    })
    afterEach(() => firewall.clear())
    afterAll(() => firewall.close())

    async function publish(wish: Partial<PortBinding>, targets = only4): Promise<void> {
      const published = await reserve(wish, 'aaa', targets)
      const target = { owner: 'eee', interface: 'br-a', address4: targets.v4, address6: targets.v6 }
      await firewall.replaceAll([...bridgeRules(), ...publishRules(published, target)])
    }

    it('serve localhost of both families, whatever the container has', async () => {
      await publish({ hostPort: 8080 })
      expect(await host.tcp('127.0.0.1', 8080)).toBe('a1 172.30.1.1 80')
      expect(await host.tcp('::1', 8080)).toBe('a1 172.30.1.1 80')
      ports.release('aaa')
      await publish({ hostPort: 8080 }, both)
      expect(await host.tcp('::1', 8080)).toBe('a1 fd00:30:1::1 80')
    })

    it('serve outside clients over IPv6 before a container that has only IPv4', async () => {
      await publish({ hostPort: 8080 })
      expect(await lab.client.tcp('2001:db8::1', 8080)).toBe('a1 172.30.1.1 80')
    })

    it('keep the address of outside IPv6 clients when the container has IPv6', async () => {
      await publish({ hostPort: 8080 }, both)
      expect(await lab.client.tcp('2001:db8::1', 8080)).toBe('a1 2001:db8::2 80')
    })

    it('relay UDP', async () => {
      await publish({ hostPort: 5353, containerPort: 53, protocol: 'udp' })
      expect(await host.udp('127.0.0.1', 5353)).toBe('a1 172.30.1.1 53')
      expect(await host.udp('::1', 5353)).toBe('a1 172.30.1.1 53')
      expect(await lab.client.udp('2001:db8::1', 5353)).toBe('a1 172.30.1.1 53')
    })

    it('outlive datagrams for a container to which no way leads', async () => {
      const target = { v4: '255.255.255.255', v6: '', ...translated }
      await reserve({ hostPort: 5353, protocol: 'udp' }, 'aaa', target)
      expect(await host.udp('::1', 5353)).toBe('nothing')
      expect(await host.udp('::1', 5353)).toBe('nothing')
    })

    it('relay ranges with their offset', async () => {
      await publish({ hostPort: 8000, count: 2, containerPort: 80 })
      expect(await host.tcp('::1', 8001)).toBe('a1 172.30.1.1 81')
    })

    it('relay half-closed connections and large bodies unharmed', async () => {
      const size = 3_000_000
      const fd = openInetSocket({ family: 4, type: 'stream', address: '172.30.1.1', port: 0, listen: 8 })
      const port = socketPort(fd)
      const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        let bytes = 0
        socket.on('data', (chunk) => {
          bytes += chunk.length
        })
        socket.on('end', () => socket.end(`got ${bytes}`))
      })
      server.listen({ fd: fd.release() })
      await ports.reserve(
        'aaa',
        'a',
        [binding({ hostPort: 8080, containerPort: port, hostAddress: '::1' })],
        {
          v4: '172.30.1.1',
          v6: '',
          ...translated,
        },
      )
      const client = net.connect({ host: '::1', port: 8080, allowHalfOpen: true })
      client.end(Buffer.alloc(size, 7))
      let answer = ''
      for await (const chunk of client) answer += chunk
      expect(answer).toBe(`got ${size}`)
      server.close()
    })

    it('look closed through the proxy when nobody listens in the container', async () => {
      await publish({ hostPort: 8080, containerPort: 4711 })
      const client = net.connect({ host: '::1', port: 8080 })
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
      expect(error.code).toBe('ECONNRESET')
    })

    it('are taken up again after a restart, proxies too', async () => {
      const published = await reserve({ hostPort: 8080 })
      ports.close()
      const target = { owner: 'eee', interface: 'br-a', address4: only4.v4, address6: '' }
      await firewall.replaceAll([...bridgeRules(), ...publishRules(published, target)])
      const next = createPorts({ log, proxy: true })
      next.adopt('aaa', 'a', published, only4)
      expect(await host.tcp('::1', 8080)).toBe('a1 172.30.1.1 80')
      expect(await host.tcp('127.0.0.1', 8080)).toBe('a1 172.30.1.1 80')
      await expect(next.reserve('bbb', 'b', [binding({ hostPort: 8080 })], only4)).rejects.toThrow(
        'by container a',
      )
      next.close()
    })

    it('come and go in little time', async () => {
      const start = performance.now()
      await reserve({ hostPort: 10_000, count: 1000 })
      const middle = performance.now()
      ports.release('aaa')
      const end = performance.now()
      await reserve({ hostPort: 8080 })
      const one = performance.now() - end
      console.log(
        `1,000 ports and proxies: reserve ${(middle - start).toFixed(1)} ms, release ${(end - middle).toFixed(1)} ms; one ${one.toFixed(2)} ms`,
      )
      expect(middle - start).toBeLessThan(5000)
    })
  })

  it('leave the daemon nothing to run besides itself', async () => {
    await reserve({ hostPort: 8080, count: 10 })
    const children = spawn('cat', [`/proc/${process.pid}/task/${process.pid}/children`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [text] = (await once(children.stdout, 'data')) as [Buffer]
    expect(text.toString().trim()).toBe(`${children.pid}`)
  })
})

import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { ask, startServer } from '../helpers/echo.ts'
import { EventReader } from '../helpers/events.ts'
import { changersDuring } from '../helpers/transactions.ts'

const foreign = `table inet foreign {
  set somebody { type ipv4_addr; elements = { 192.0.2.77 }; }
  chain input { type filter hook input priority 10; ip saddr @somebody drop; }
}
table bridge fence {
  chain forward { type filter hook forward priority 0; policy accept; }
}
`

describe.each(['nftables', 'iptables'])('a daemon whose firewall is of %s', (backend) => {
  let daemon: TestDaemon
  let client: TestClient
  const sh = (script: string) => daemon.inNetns('sh', ['-ec', script])
  const instance = () => daemon.mark.slice('tsnet-'.length)

  /** The rules that are the daemon's, in no order. */
  const ownRules = () =>
    sh(
      `iptables-save; ip6tables-save; for family in ip ip6; do nft list table $family ${daemon.mark} 2>/dev/null || true; done`,
    )
      .replaceAll(/\[\d+:\d+\]/g, '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => !line.startsWith('#') && (backend === 'nftables' || line.includes('TSNET')))
      .sort()
  const foreignRules = () => sh('nft list table inet foreign; nft list table bridge fence')
  const served = () => ask(`/run/netns/${daemon.netns}`, 'tcp', '127.0.0.1', 8080)

  beforeAll(async () => {
    daemon = await TestDaemon.start(['--firewall-backend', backend])
    client = new TestClient(daemon)
    execFileSync('nsenter', [`--net=/run/netns/${daemon.netns}`, 'nft', '-f', '-'], { input: foreign })
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await client.docker('network', 'create', '--ipv6', '--subnet', '10.40.0.0/24', 'plain')
    await startServer(client, 'web', ['tcp/80'], '--network', 'plain', '-p', '8080:80', '-p', '9000-9005')
  })

  afterAll(() => daemon.stop())

  it.each([
    ['all rules', 'nft flush ruleset'],
    ...(backend === 'nftables'
      ? []
      : [['the tables of iptables', 'iptables -F; iptables -t nat -F; ip6tables -F; ip6tables -t nat -F']]),
  ])('has its rules back after somebody flushed %s, once, and says so', async (_what, harm) => {
    const standing = ownRules()
    const told = await EventReader.open(daemon, { type: ['daemon'] })
    expect(await served()).toMatch(/^web /)
    sh(harm)
    // they may be back before anybody can see that they were gone: of that the event tells
    await vi.waitFor(() => expect(ownRules()).toEqual(standing), { timeout: 5000, interval: 50 })
    expect(await served()).toMatch(/^web /)
    await vi.waitFor(() => expect(told.seen).not.toEqual([]), { timeout: 5000, interval: 50 })
    // whether it is told once more
    await sleep(1000)
    told.close()
    expect(told.seen.map(({ Action }) => Action)).toEqual(['repair'])
    execFileSync('nsenter', [`--net=/run/netns/${daemon.netns}`, 'nft', '-f', '-'], { input: foreign })
  })

  it('changes all rules for a start, an end, and its own restart at once, however many ports and networks', async () => {
    const ports = ['-p', '7000-7009:80', '-p', '7100:80', '-p', '7200-7204:53/udp', '-p', '127.0.0.1:7300:81']
    await client.docker('create', '--name', 'many', '--network', 'plain', ...ports, 'box', 'sleep', '600')
    const once = backend === 'nftables' ? ['daemon'] : ['ip6tables-resto', 'iptables-restor']
    const during = async (body: () => Promise<unknown>) => (await changersDuring(daemon, body)).sort()
    expect(await during(() => client.docker('start', 'many'))).toEqual(once)
    // the tables of each family are made anew as a whole, whatever networks and containers there are
    const anew = backend === 'nftables' ? ['daemon', 'daemon'] : once
    expect(await during(() => daemon.kill().then(() => daemon.launch()))).toEqual(anew)
    expect(await during(() => client.docker('rm', '-f', 'many'))).toEqual(once)
  })

  it('keeps what the user wrote into the user chain, and heeds it, over changes and restarts', async () => {
    const write =
      backend === 'nftables'
        ? `nft add rule ip ${daemon.mark} user tcp dport 80 drop`
        : `iptables -A TSNET-${instance()}-USER -p tcp --dport 80 -j DROP`
    const read =
      backend === 'nftables'
        ? `nft list chain ip ${daemon.mark} user`
        : `iptables -S TSNET-${instance()}-USER`
    // from another network through the host: forwarded, while what the host itself sends is not
    await client.docker('network', 'create', '--subnet', '10.41.0.0/24', 'other')
    await client.docker('run', '-d', '--name', 'asker', '--network', 'other', 'box', 'sleep', '1000')
    const asked = () => daemon.docker('exec', 'asker', 'nc', '-w', '1', '10.41.0.1', '8080')
    expect((await asked()).stdout).toMatch(/^web /)
    sh(write)
    const written = sh(read)
    expect((await asked()).stdout).toBe('')
    await daemon.terminate()
    await daemon.launch()
    expect(sh(read)).toBe(written)
    expect((await asked()).stdout).toBe('')
    await client.docker('rm', '-f', 'asker')
    await client.docker('network', 'rm', 'other')
    expect(sh(read)).toBe(written)
    sh(
      backend === 'nftables'
        ? `nft flush chain ip ${daemon.mark} user`
        : `iptables -F TSNET-${instance()}-USER`,
    )
  })

  it('does not bring back the rules of networks that are gone', async () => {
    await client.docker('network', 'create', '--subnet', '10.42.0.0/24', 'brief')
    await client.docker('network', 'rm', 'brief')
    const standing = ownRules()
    sh(`nft flush ruleset`)
    await vi.waitFor(() => expect(ownRules()).toEqual(standing), { timeout: 5000, interval: 50 })
    expect(standing.join('\n')).toContain('10.40.0.0/24')
    expect(standing.join('\n')).not.toContain('10.42.0.0/24')
    execFileSync('nsenter', [`--net=/run/netns/${daemon.netns}`, 'nft', '-f', '-'], { input: foreign })
  })

  it('leaves the tables of others as they are, byte for byte', async () => {
    const before = foreignRules()
    await client.docker('network', 'create', '--internal', 'inner')
    await client.docker('run', '--rm', '--network', 'plain', '-p', '8090:80', 'box', 'true')
    await client.docker('network', 'rm', 'inner')
    await daemon.kill()
    await daemon.launch()
    expect(foreignRules()).toBe(before)
    expect(await served()).toMatch(/^web /)
  })
})

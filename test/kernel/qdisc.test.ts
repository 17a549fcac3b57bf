import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, test } from 'vitest'
import { getLink } from '../../src/netlink/link.ts'
import { removeRateLimit, setRateLimit } from '../../src/netlink/qdisc.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

/** The root discipline as tc(8) shows it, in bytes a second and kilobytes; the kernel keeps the burst as a time. */
function shown(): { kind: string; rate?: number; burst?: number } {
  const [root] = JSON.parse(execFileSync('tc', ['-j', 'qdisc', 'show', 'dev', 'host'], { encoding: 'utf8' }))
  const { rate, burst } = root.options
  return { kind: root.kind, ...(rate && { rate, burst: Math.round(burst / 1000) }) }
}

describe('the rate limit of a link', () => {
  beforeAll(async () => {
    await enterThrowAwayNetns()
    execFileSync('ip', ['link', 'add', 'host', 'type', 'veth', 'peer', 'name', 'far'])
    for (const name of ['host', 'far']) execFileSync('ip', ['link', 'set', name, 'up'])
  })

  test('is set, changed in place, and taken away, each as often as one likes', () => {
    using socket = openRouteSocket()
    const { index } = getLink(socket, 'host')
    removeRateLimit(socket, index)
    setRateLimit(socket, index, { rate: 6_250_000, burst: 65_536 })
    expect(shown()).toEqual({ kind: 'tbf', rate: 6_250_000, burst: 66 })
    for (let i = 0; i < 2; i++) setRateLimit(socket, index, { rate: 125_000, burst: 10_000 })
    expect(shown()).toEqual({ kind: 'tbf', rate: 125_000, burst: 10 })
    for (let i = 0; i < 2; i++) removeRateLimit(socket, index)
    expect(shown().kind).toBe('noqueue')
  })

  test('of a link that is gone is refused', () => {
    using socket = openRouteSocket()
    expect(() => setRateLimit(socket, 9999, { rate: 1000, burst: 1000 })).toThrow(/rate of link 9999/)
  })
})

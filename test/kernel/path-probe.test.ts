import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probePath } from '../../src/sandbox/path-probe.ts'
import { inNetns, removeNetns } from '../../src/sys/netns.ts'
import { enterThrowAwayNetns, ip, Place } from '../helpers/firewall-lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-probe-'))
let near: Place
let far: Place

/** Two sandboxes on a bridge; the far one's port is called `way`. */
beforeAll(async () => {
  await enterThrowAwayNetns()
  ip('link add wire mtu 9000 type bridge')
  ip('link set wire up')
  near = new Place('near', directory)
  far = new Place('far', directory)
  for (const [index, place] of [near, far].entries()) {
    const port = index === 0 ? 'here' : 'way'
    ip(`link add ${port} mtu 9000 type veth peer name eth0 mtu 9000 netns ${place.path}`)
    ip(`link set ${port} master wire up`)
    place.ip(`addr add 10.60.0.${index + 1}/24 dev eth0`)
    place.ip(`addr add fd60::${index + 1}/64 dev eth0`)
    place.ip('link set eth0 up')
  }
})
afterAll(() => {
  for (const place of [near, far]) {
    place.netns.close()
    removeNetns(place.path)
  }
  rmSync(directory, { recursive: true })
})

/** All links take packets of so many bytes, but for the one to the far sandbox. */
function setMtu(mtu: number, way = mtu): void {
  for (const place of [near, far]) place.ip(`link set eth0 mtu ${mtu}`)
  ip(`link set here mtu ${mtu}`)
  ip(`link set way mtu ${way}`)
}

describe.each([
  { family: 4, address: '10.60.0.2', nobody: '10.60.0.9', elsewhere: '10.61.0.1' },
  { family: 6, address: 'fd60::2', nobody: 'fd60::9', elsewhere: 'fd61::1' },
])('the way to an address of IPv$family', ({ address, nobody, elsewhere }) => {
  it.each([1450, 8951])('takes packets of %i bytes and no more', async (mtu) => {
    setMtu(mtu)
    const { latency, ...report } = await probePath(near.netns, address, mtu)
    expect(report).toEqual({ sent: 10, received: 10, mtu })
    expect(latency).toBeGreaterThan(0)
    expect(latency).toBeLessThan(500)
  })

  it.each([
    [1450, 1400],
    [9000, 1281],
    [8951, 8950],
  ])('that should take %i bytes is found to take %i, as a link on it does', async (mtu, less) => {
    setMtu(mtu, less)
    expect((await probePath(near.netns, address, mtu)).mtu).toBe(less)
  })

  it('is found to take more than it should', async () => {
    setMtu(1500)
    expect((await probePath(near.netns, address, 1450)).mtu).toBe(1451)
  })

  it('is looked at from a namespace whose settings let nobody ping, whoever else does', async () => {
    setMtu(1500)
    const groups = () => readFileSync('/proc/sys/net/ipv4/ping_group_range', 'utf8')
    expect(inNetns(near.netns, groups)).toBe('1\t0\n')
    const probes = Array.from({ length: 8 }, () => probePath(near.netns, address, 1500))
    for (const probe of await Promise.all(probes)) expect(probe).toMatchObject({ received: 10, mtu: 1500 })
  })

  it('to where nobody is brings nothing back', async () => {
    expect(await probePath(near.netns, nobody, 1500)).toEqual({
      sent: 10,
      received: 0,
      latency: null,
      mtu: null,
    })
  })

  it('to where no route leads is refused', async () => {
    await expect(probePath(near.netns, elsewhere, 1500)).rejects.toThrow(/connect .*ENETUNREACH/)
  })
})

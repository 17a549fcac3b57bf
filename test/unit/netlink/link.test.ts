import { describe, expect, test } from 'vitest'
import { decodeAttributes } from '../../../src/netlink/attribute.ts'
import { bridge, decodeBridge, encodeBridgePort } from '../../../src/netlink/kinds/bridge.ts'
import { dummy } from '../../../src/netlink/kinds/dummy.ts'
import { ipvlan } from '../../../src/netlink/kinds/ipvlan.ts'
import { macvlan } from '../../../src/netlink/kinds/macvlan.ts'
import { veth } from '../../../src/netlink/kinds/veth.ts'
import { vlan } from '../../../src/netlink/kinds/vlan.ts'
import { vxlan } from '../../../src/netlink/kinds/vxlan.ts'
import { decodeLink, encodeLink, encodeLinkSpec, isUp } from '../../../src/netlink/link.ts'
import { Fd } from '../../../src/sys/fd.ts'
import { bytes } from '../../helpers/bytes.ts'

/** struct ifinfomsg without index, flags and change mask */
const bareHeader = '00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00'

describe('kinds', () => {
  test('bridge: neither spanning tree nor snooping, and nothing else', () => {
    expect(encodeLinkSpec({ name: 'br-x', kind: bridge({ stp: false, multicastSnooping: false }) })).toEqual(
      bytes(
        bareHeader,
        '09 00 03 00  62 72 2d 78 00 00 00 00', // IFLA_IFNAME "br-x"
        '24 00 12 80', // IFLA_LINKINFO, nested
        '0b 00 01 00  62 72 69 64 67 65 00 00', // IFLA_INFO_KIND "bridge"
        '14 00 02 80', // IFLA_INFO_DATA, nested
        '08 00 05 00  00 00 00 00', // IFLA_BR_STP_STATE 0
        '05 00 17 00  00 00 00 00', // IFLA_BR_MCAST_SNOOPING 0
      ),
    )
  })

  test('veth: the peer is a link message of its own, with the namespace to be born in', () => {
    const peer = veth({ name: 'eth0', address: '02:00:00:00:00:05', mtu: 1400, netns: new Fd(9), queues: 1 })
    expect(peer.data).toEqual(
      bytes(
        '4c 00 01 00', // VETH_INFO_PEER
        bareHeader,
        '09 00 03 00  65 74 68 30 00 00 00 00', // IFLA_IFNAME "eth0"
        '08 00 04 00  78 05 00 00', // IFLA_MTU 1400
        '0a 00 01 00  02 00 00 00 00 05 00 00', // IFLA_ADDRESS
        '08 00 1c 00  09 00 00 00', // IFLA_NET_NS_FD 9
        '08 00 1f 00  01 00 00 00', // IFLA_NUM_TX_QUEUES
        '08 00 20 00  01 00 00 00', // IFLA_NUM_RX_QUEUES
      ),
    )
  })

  test('macvlan: the mode in its data, the parent beside it', () => {
    expect(encodeLinkSpec({ name: 'm', kind: macvlan('bridge'), parent: 3 })).toEqual(
      bytes(
        bareHeader,
        '06 00 03 00  6d 00 00 00', // IFLA_IFNAME "m"
        '08 00 05 00  03 00 00 00', // IFLA_LINK 3
        '1c 00 12 80',
        '0c 00 01 00  6d 61 63 76 6c 61 6e 00', // IFLA_INFO_KIND "macvlan"
        '0c 00 02 80',
        '08 00 01 00  04 00 00 00', // IFLA_MACVLAN_MODE MACVLAN_MODE_BRIDGE
      ),
    )
  })

  test('ipvlan: mode and flag, of 16 bits each', () => {
    expect(ipvlan('l3s', 'vepa').data).toEqual(
      bytes(
        '06 00 01 00  02 00 00 00', // IFLA_IPVLAN_MODE IPVLAN_MODE_L3S
        '06 00 02 00  02 00 00 00', // IFLA_IPVLAN_FLAGS IPVLAN_F_VEPA
      ),
    )
  })

  test('vlan: the tag; dummy: nothing', () => {
    expect(vlan(4094).data).toEqual(bytes('06 00 01 00  fe 0f 00 00'))
    expect(dummy().data).toHaveLength(0)
  })

  test('vxlan: number, local address by family, port in network order, no learning', () => {
    const common = { vni: 4096, port: 4789, learning: false }
    expect(vxlan({ ...common, local: '192.0.2.1' }).data).toEqual(
      bytes(
        '08 00 01 00  00 10 00 00', // IFLA_VXLAN_ID
        '08 00 04 00  c0 00 02 01', // IFLA_VXLAN_LOCAL
        '06 00 0f 00  12 b5 00 00', // IFLA_VXLAN_PORT
        '05 00 07 00  00 00 00 00', // IFLA_VXLAN_LEARNING
      ),
    )
    expect(vxlan({ ...common, local: '2001:db8::1' }).data.subarray(8, 28)).toEqual(
      bytes('14 00 11 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01'), // IFLA_VXLAN_LOCAL6
    )
    expect(vxlan({ ...common, local: 'fe80::1', link: 9 }).data.subarray(8, 16)).toEqual(
      bytes('08 00 03 00  09 00 00 00'), // IFLA_VXLAN_LINK
    )
  })

  test('a bridge port is set up through the bridge’s family', () => {
    expect(encodeBridgePort(7, { isolated: true, hairpin: false, locked: true })).toEqual(
      bytes(
        '07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00', // AF_BRIDGE, index 7
        '20 00 0c 80', // IFLA_PROTINFO, nested
        '05 00 04 00  00 00 00 00', // IFLA_BRPORT_MODE
        '05 00 21 00  01 00 00 00', // IFLA_BRPORT_ISOLATED
        '05 00 27 00  01 00 00 00', // IFLA_BRPORT_LOCKED
        '04 00 18 00', // IFLA_BRPORT_FLUSH
      ),
    )
  })

  test('the spanning tree state of a bridge is read back', () => {
    expect(decodeBridge(decodeAttributes(bridge({ stp: true, multicastSnooping: false }).data))).toEqual({
      stp: true,
      multicastSnooping: false,
    })
  })
})

describe('changes', () => {
  test('only what is given is asked for', () => {
    expect(encodeLink(7, {})).toEqual(bytes('00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00'))
  })

  test('up and down touch the one flag', () => {
    expect(encodeLink(7, { up: true })).toEqual(bytes('00 00 00 00  07 00 00 00  01 00 00 00  01 00 00 00'))
    expect(encodeLink(7, { up: false })).toEqual(bytes('00 00 00 00  07 00 00 00  00 00 00 00  01 00 00 00'))
  })

  test('master 0 is sent, as it takes a port out of its bridge', () => {
    expect(encodeLink(7, { master: 0 }).subarray(16)).toEqual(bytes('08 00 0a 00  00 00 00 00'))
  })
})

describe('decoding', () => {
  test('a link comes back with its name, kind, owner’s tag and place', () => {
    const message = Buffer.concat([
      encodeLinkSpec({
        name: 'v0',
        kind: veth({ name: 'eth0' }),
        mtu: 1400,
        master: 4,
        parent: 2,
        address: '02:00:00:00:00:05',
      }),
      encodeLink(0, { alias: 'tsnet:abc' }).subarray(16),
    ])
    expect(decodeLink(message)).toMatchObject({
      name: 'v0',
      kind: 'veth',
      mtu: 1400,
      master: 4,
      parent: 2,
      address: '02:00:00:00:00:05',
      alias: 'tsnet:abc',
    })
  })

  test('a link without attributes has empty ones, and is down', () => {
    const link = decodeLink(encodeLink(1, {}))
    expect(link).toMatchObject({ index: 1, name: '', kind: '', address: '', alias: '', master: 0, parent: 0 })
    expect(isUp(link)).toBe(false)
  })
})

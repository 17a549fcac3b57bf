/** The driver over Debian's plugins: a bridge that stands already, host-local, and tuning for hardware addresses. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { CniDriver } from '../../src/drivers/cni/index.ts'
import { ip } from '../helpers/firewall-lab.ts'
import { describeDriver } from './driver.contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-cni-'))
afterAll(() => rmSync(directory, { recursive: true }))

const list = join(directory, 'contract.conflist')
const ranges = [[{ subnet: '10.91.0.0/24' }], [{ subnet: 'fd00:91::/64' }]]
const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
const bridge = {
  type: 'bridge',
  bridge: 'contract',
  isGateway: true,
  capabilities: { ips: true },
  ipam: { type: 'host-local', dataDir: join(directory, 'leases'), ranges, routes },
}
const tuning = { type: 'tuning', capabilities: { mac: true } }
writeFileSync(list, JSON.stringify({ cniVersion: '1.0.0', name: 'contract', plugins: [bridge, tuning] }))

const places = {
  configurations: directory,
  programs: ['/opt/cni/bin', '/usr/lib/cni'],
  state: join(directory, 'state'),
}

describeDriver('cni', () => new CniDriver(places, () => false), {
  network: { pools: [], options: { conflist: list } },
  other: {},
  ownMacs: true,
  remote: true,
  asks: true,
  prepare() {
    // With a member and an address of its own it is the same with endpoints and without.
    ip('link add contract address 02:00:00:00:91:01 type bridge')
    ip('link add member type veth peer name other')
    ip('link set other up')
    ip('link set member master contract up')
    ip('addr add 10.91.0.1/24 dev contract')
    ip('addr add fd00:91::1/64 dev contract')
    ip('link set contract addrgenmode none up')
    return () => {
      ip('link del member')
      ip('link del contract')
    }
  },
})

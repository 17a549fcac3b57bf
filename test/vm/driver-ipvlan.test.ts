/** The contract of drivers on a kernel that has ipvlan: runs in the guest of test/vm/run. */

import { createMacvlanDrivers } from '../../src/drivers/macvlan/index.ts'
import { describeDriver, networkRecord } from '../contract/driver.contract.ts'
import { layWire } from '../helpers/wire.ts'

const options = { parent: 'up0', 'host-access': 'true' }
const [pool4, pool6] = networkRecord().pools
const pools = [
  { ...pool4!, auxiliary: { 'host-access': '10.91.0.250' } },
  { ...pool6!, auxiliary: { 'host-access': 'fd00:91::250' } },
]

describeDriver('ipvlan', () => createMacvlanDrivers()[1]!, {
  network: { options, pools },
  // One network of ipvlan has a parent for itself; this one gets a dummy.
  other: { options: { 'host-access': 'true' } },
  ownMacs: false,
  prepare: () => {
    const wire = layWire()
    return () => wire[Symbol.dispose]()
  },
})

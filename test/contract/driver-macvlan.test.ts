import { createMacvlanDrivers } from '../../src/drivers/macvlan/index.ts'
import { layWire } from '../helpers/wire.ts'
import { describeDriver, networkRecord } from './driver.contract.ts'

// With a link of the host's own, so that a network is something in the kernel.
const options = { parent: 'up0', 'host-access': 'true' }
const [pool4, pool6] = networkRecord().pools
const pools = [
  { ...pool4!, auxiliary: { 'host-access': '10.91.0.250' } },
  { ...pool6!, auxiliary: { 'host-access': 'fd00:91::250' } },
]

describeDriver('macvlan', () => createMacvlanDrivers()[0]!, {
  network: { options, pools },
  other: {},
  ownMacs: true,
  prepare: () => {
    const wire = layWire()
    return () => wire[Symbol.dispose]()
  },
})

import { createOverlayDriver } from '../../src/drivers/overlay/index.ts'
import { vniOption } from '../../src/drivers/overlay/options.ts'
import { nodeRecord, ToldCluster } from '../helpers/told-cluster.ts'
import { describeDriver } from './driver.contract.ts'

const self = nodeRecord('one', '192.0.2.1')

describeDriver('overlay', () => createOverlayDriver(new ToldCluster(self).cluster), {
  network: { options: { [vniOption]: '4096' } },
  other: { options: { [vniOption]: '4097' } },
  ownMacs: true,
  prepare: () => () => {},
})

import { createBridgeDriver } from '../../src/drivers/bridge/index.ts'
import { describeDriver } from './driver.contract.ts'

describeDriver('bridge', createBridgeDriver)

import { compareWithDockerd } from '../compare.ts'
import { differences } from './differences.ts'
import { script } from './script.ts'
import { equip } from './wan.ts'

compareWithDockerd({ subject: 'networks', script, differences, equip, steps: 600 })

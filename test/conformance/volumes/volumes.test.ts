import { compareWithDockerd } from '../compare.ts'
import { differences } from './differences.ts'
import { equip } from './host.ts'
import { script } from './script.ts'

compareWithDockerd({ subject: 'volumes', script, differences, equip, steps: 80 })

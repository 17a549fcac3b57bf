import type { NoIpam } from './ipam.ts'

/** For networks whose containers have no addresses, or find their own. */
export const nullIpam: NoIpam = { name: 'null', from: 'nowhere' }

import { hostname } from 'node:os'
import { watchRuleset } from '../netlink/ruleset-events.ts'
import type { Parts } from './parts.ts'

/** From now on what others do to the firewall's rules is made good, and told as an event of the daemon's. */
export function healFirewall(parts: Parts): void {
  parts.firewall.heal(watchRuleset, () => {
    parts.events.emit('daemon', 'repair', parts.mark, { name: hostname(), firewall: parts.firewall.backend })
  })
}

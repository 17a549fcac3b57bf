import { readFileSync, writeFileSync } from 'node:fs'
import type { Family } from './rules.ts'

const switches: Readonly<Record<Family, string>> = {
  4: '/proc/sys/net/ipv4/ip_forward',
  6: '/proc/sys/net/ipv6/conf/all/forwarding',
}

/**
 * Lets the host forward packets of the family (ip-sysctl in the kernel's documentation), if it does not already.
 * Synchronous, so that it is the main thread's network namespace that is meant.
 */
export function enableForwarding(family: Family): void {
  const path = switches[family]
  if (readFileSync(path, 'latin1').trim() === '0') writeFileSync(path, '1')
}

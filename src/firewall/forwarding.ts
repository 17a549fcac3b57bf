import { readFileSync, writeFileSync } from 'node:fs'
import type { Family } from './rules.ts'

const switches: Readonly<Record<Family, string>> = {
  4: '/proc/sys/net/ipv4/ip_forward',
  6: '/proc/sys/net/ipv6/conf/all/forwarding',
}

/** RTF_ADDRCONF in <linux/ipv6_route.h>: the route comes from a router's advertisement. */
const RTF_ADDRCONF = 0x0004_0000

/**
 * Lets the host forward packets of the family (ip-sysctl in the kernel's documentation), if it does not already. A host
 * that forwards IPv6 heeds no advertisements of routers and forgets the routes that it has from them, unless accept_ra is
 * 2: so it is made on the links with such routes, whose names are returned. Synchronous, so that it is the main thread's
 * network namespace that is meant.
 */
export function enableForwarding(family: Family): string[] {
  const path = switches[family]
  if (read(path) !== '0') return []
  const links = family === 6 ? advertisedLinks().filter((link) => read(acceptRa(link)) === '1') : []
  for (const link of links) writeFileSync(acceptRa(link), '2')
  writeFileSync(path, '1')
  return links
}

function acceptRa(link: string): string {
  return `/proc/sys/net/ipv6/conf/${link}/accept_ra`
}

/** Links with routes from advertisements; the file's last columns are flags and name (rt6_info_route() in the kernel's route.c). */
function advertisedLinks(): string[] {
  const routes = read('/proc/net/ipv6_route').split('\n')
  const links = routes.flatMap((route) => {
    const [flags = '', link = ''] = route.trim().split(/\s+/).slice(-2)
    return (Number.parseInt(flags, 16) & RTF_ADDRCONF) === 0 ? [] : [link]
  })
  return [...new Set(links)]
}

function read(path: string): string {
  return readFileSync(path, 'latin1').trim()
}

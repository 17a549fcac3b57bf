/** A machine next to a daemon's host: a network namespace of its own. */
import { execFileSync } from 'node:child_process'
import type { TestDaemon } from './daemon.ts'

export const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })

/**
 * Joins a new namespace to the daemon's by a pair of interfaces, up0 here and out0 there: 192.0.2.1 and 2001:db8::1 are the
 * daemon's host, 192.0.2.2 and 2001:db8::2 the neighbour. Returns its name, under which it must be removed.
 */
export function addNeighbour(daemon: TestDaemon): string {
  const name = `${daemon.netns}-out`
  ip('netns', 'add', name)
  ip('link', 'add', 'up0', 'netns', daemon.netns, 'type', 'veth', 'peer', 'name', 'out0', 'netns', name)
  const addresses = { [daemon.netns]: ['up0', '1'], [name]: ['out0', '2'] }
  for (const [netns, [link = '', last = '']] of Object.entries(addresses)) {
    ip('-n', netns, 'addr', 'add', `192.0.2.${last}/24`, 'dev', link)
    ip('-n', netns, 'addr', 'add', `2001:db8::${last}/64`, 'dev', link, 'nodad')
    ip('-n', netns, 'link', 'set', link, 'up')
    ip('-n', netns, 'link', 'set', 'lo', 'up')
  }
  return name
}

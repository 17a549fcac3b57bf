import { execFileSync } from 'node:child_process'

/** Makes a network namespace as that of a machine on which nobody forwards packets yet, although this one may; the loopback interface is up. */
export function addBareNetns(name: string): void {
  execFileSync('ip', ['netns', 'add', name])
  const script = 'ip link set lo up && echo 0 >/proc/sys/net/ipv4/ip_forward'
  execFileSync('nsenter', [`--net=/run/netns/${name}`, 'sh', '-c', script])
}

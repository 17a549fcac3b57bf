/** Who changes the firewall of a daemon's namespace, as the kernel tells `nft monitor`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { vi } from 'vitest'
import type { TestDaemon } from './daemon.ts'

const beginning = 'table inet beginning'
const end = 'table inet end'

/**
 * What changed rules while `body` ran, in order: `daemon` for each transaction of its own, and each program that was run once, under
 * the name that the kernel cuts to 15 letters. iptables-restore makes a transaction of each table.
 */
export async function changersDuring(daemon: TestDaemon, body: () => Promise<unknown>): Promise<string[]> {
  const nft = (...command: string[]): string => daemon.inNetns('nft', [command.join(' ')])
  const monitor = spawn('nsenter', [`--net=/run/netns/${daemon.netns}`, 'nft', 'monitor'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let told = ''
  monitor.stdout.on('data', (chunk: Buffer) => (told += chunk))
  try {
    // it says nothing when it is ready
    const begin = (): void => {
      nft('add', beginning)
      nft('delete', beginning)
      if (!told.includes(`delete ${beginning}`)) throw new Error('the monitor does not listen yet')
    }
    await vi.waitFor(begin, { timeout: 5000, interval: 20 })
    await body()
    nft('add', end)
    await vi.waitFor(() => told.includes(`add ${end}`) || Promise.reject(new Error(told)), 5000)
    nft('delete', end)
    const name = readFileSync(`/proc/${daemon.pid}/comm`, 'utf8').trim()
    return changersIn(told.slice(0, told.indexOf(`add ${end}`)), name)
  } finally {
    const ended = once(monitor, 'exit')
    monitor.kill()
    await ended
  }
}

/** By the daemon's name: its number is another one here where the tests have process numbers of their own. */
function changersIn(told: string, daemon: string): string[] {
  const commits = [...told.matchAll(/^# new generation \d+ by process (\d+) \((.*)\)$/gm)]
  const own = commits.filter(([, , name]) => name === daemon)
  const others = commits.filter(([, , name]) => name !== daemon && name !== 'nft')
  const programs = new Map(others.map(([, pid, name]) => [pid, name!]))
  return [...own.map(() => 'daemon'), ...programs.values()]
}

/**
 * keeper: keeps a host's lease alive while its daemon is gone and containers on networks of the cluster go on. The supervisor starts it,
 * and ends it by closing its input, whose first line says what to keep. It ends by itself when the lease is no more.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '../errors.ts'
import { Etcd } from './etcd.ts'
import type { ClusterUrl } from './url.ts'

export interface KeeperOrder {
  readonly url: ClusterUrl
  readonly lease: string
}

/** The milliseconds of a call, as the daemon has it; a short lease leaves less. */
const longestCall = 3000

async function readOrder(): Promise<KeeperOrder> {
  process.stdin.setEncoding('utf8')
  const [line] = (await once(process.stdin, 'data')) as [string]
  return JSON.parse(line) as KeeperOrder
}

/** While etcd is away the lease does not end, or is near its end: tries are made well within its time, each at all servers. */
async function keep({ url, lease }: KeeperOrder): Promise<void> {
  const time = url.ttl * 1000
  const patience = Math.min(longestCall, time / 4)
  const etcd = await Etcd.load({ url, patience, onTrouble: () => {}, isGuest: true })
  let said = ''
  for (;;) {
    let pause = time / 3
    try {
      const { TTL } = await etcd.call('leaseKeepAlive', { ID: lease })
      if (Number(TTL) <= 0)
        return say('the lease of this host is gone: its daemon has to claim anew what it has')
      if (said !== '') say('etcd answers again')
      said = ''
    } catch (error) {
      if (said === '') say(errorMessage(error))
      said = errorMessage(error)
      pause = time / 10
    }
    await sleep(pause)
  }
}

/** Its standard error is the supervisor's log. */
function say(what: string): void {
  process.stderr.write(`tsnet keeper: ${what}\n`)
}

// Signals meant for the daemon's group are not for what stands in for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
const order = await readOrder()
process.stdin.on('end', () => process.exit(0)).resume()
await keep(order)
process.exit(0)

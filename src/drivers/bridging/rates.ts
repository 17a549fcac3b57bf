/** An endpoint's rates: a token bucket at either end of its veth pair, each for what that end sends. */
import { type RateLimit, removeRateLimit, setRateLimit } from '../../netlink/qdisc.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { Rates } from '../endpoint-rates.ts'

/** Makes the limits what `rates` says: of a pair's end on the host, and of its end in the sandbox, each by socket and index. */
export function applyRates(
  host: RouteSocket,
  port: number,
  inside: RouteSocket,
  index: number,
  rates: Rates,
): void {
  limit(host, port, rates.in)
  limit(inside, index, rates.out)
}

function limit(socket: RouteSocket, index: number, rate: RateLimit | null): void {
  if (rate === null) removeRateLimit(socket, index)
  else setRateLimit(socket, index, rate)
}

/** The containers' names for the host itself: `<container>.<network>.tsnet`, and nothing else. */
import { fitToClient, isInternet, type Query, receive, reply } from './message.ts'
import type { NameRegistry } from './names.ts'
import { replyWithAddresses, replyWithName } from './own-answer.ts'
import { addressOfReverseName } from './reverse-name.ts'
import { rcode } from './wire.ts'

const domain = 'tsnet'

/** The message to send back for what a program of the host sent, or null for silence. */
export function answerHost(names: NameRegistry, bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | null {
  const received = receive(bytes)
  if ('refusal' in received) return received.refusal
  const { query } = received
  return fitToClient(query, answer(names, query), transport)
}

/** Other names are refused, so that a resolver which asks here for the world goes on to its next server. */
function answer(names: NameRegistry, query: Query): Buffer {
  const { name } = query
  if (!isInternet(query)) return reply(query, rcode.REFUSED)
  const address = addressOfReverseName(name)
  if (address !== null) {
    const owner = names.reverseAnywhere(address)
    return owner === null ? reply(query, rcode.NXDOMAIN) : replyWithName(query, `${owner}.${domain}`)
  }
  if (name === domain) return reply(query, rcode.NOERROR)
  if (!name.endsWith(`.${domain}`)) return reply(query, rcode.REFUSED)
  const found = names.lookupQualified(name.slice(0, -domain.length - 1))
  return found === null ? reply(query, rcode.NXDOMAIN) : replyWithAddresses(query, found)
}

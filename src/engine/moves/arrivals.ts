/** Hears which containers other hosts want to move here. */
import { moveAnswerKey, moveKey } from '../../cluster/keys.ts'
import type { Parts } from '../parts.ts'
import { clusterOf } from '../shared-networks.ts'
import { receiveContainer } from './arrival.ts'
import { MoveChannel } from './channel.ts'
import { listenOnce } from './link.ts'
import type { MoveAnswer, MoveOffer } from './messages.ts'

/** From now on, until disposed of. */
export function followArrivals(parts: Parts): Disposable {
  const { state } = clusterOf(parts)
  const offers = state.mirror(moveKey(state.self.name, ''))
  offers.subscribe((changes) => {
    for (const { key, before, value } of changes) {
      if (value === undefined || before !== undefined) continue
      const from = value.slice(0, value.indexOf(' '))
      const offer = JSON.parse(value.slice(from.length + 1)) as MoveOffer
      answer(parts, key, from, offer).catch((error: unknown) =>
        parts.log.warn({ err: error, from, move: key }, 'a container has not come here'),
      )
    }
  })
  return offers
}

async function answer(parts: Parts, move: string, from: string, { secret }: MoveOffer): Promise<void> {
  const { state } = clusterOf(parts)
  const { name, address } = state.self
  using listening = await listenOnce(address, Buffer.from(secret, 'base64'))
  const key = moveAnswerKey(move, name)
  const answer: MoveAnswer = { port: listening.port }
  await state.hold(key, `${name} ${JSON.stringify(answer)}`)
  try {
    using channel = new MoveChannel(await listening.connected, from)
    await receiveContainer(parts, channel, { move, from, to: name })
  } finally {
    state.release(key)
  }
}

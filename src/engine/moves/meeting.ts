/** How the host of a container comes to talk to the one that it is to move to. */
import { randomBytes } from 'node:crypto'
import type { Cluster } from '../../cluster/cluster.ts'
import { moveAnswerKey, moveKey } from '../../cluster/keys.ts'
import { TsnetError } from '../../errors.ts'
import { version } from '../../version.ts'
import { MoveChannel } from './channel.ts'
import { connectOnce } from './link.ts'
import type { MoveAnswer } from './messages.ts'
import type { MoveId } from './settle.ts'

/** Milliseconds that the other host has to answer in etcd. */
const answerPatience = 5000

/**
 * Asks it in etcd, where the question is held from then on. Throws kind 'not-found' for a host that is not there, 'conflict' for one that
 * it cannot move to, 'unavailable' for one that is silent.
 */
export async function meetHost(state: Cluster, { move, to }: MoveId): Promise<MoveChannel> {
  const address = await addressOf(state, to)
  const secret = randomBytes(32)
  using answers = state.mirror(moveAnswerKey(move, ''))
  await answers.ready()
  const answered = Promise.withResolvers<string>()
  using _ = answers.subscribe(() => answered.resolve(answers.values.get(to) ?? ''))
  const offer = JSON.stringify({ secret: secret.toString('base64') })
  await state.hold(moveKey(to, move), `${state.self.name} ${offer}`)
  const timer = setTimeout(() => answered.resolve(''), answerPatience)
  const answer = await answered.promise
  clearTimeout(timer)
  if (answer === '') throw silent(to)
  const { port } = JSON.parse(answer.slice(answer.indexOf(' ') + 1)) as MoveAnswer
  return new MoveChannel(await connectOnce(address, port, secret), to)
}

function silent(host: string): TsnetError {
  return new TsnetError(
    'unavailable',
    'host-silent',
    `host ${host} has not answered within ${answerPatience / 1000} s: see whether its daemon runs`,
  )
}

async function addressOf(state: Cluster, host: string): Promise<string> {
  await state.nodes.ready()
  const node = state.nodes.values.get(host)
  if (host === state.self.name)
    throw new TsnetError('conflict', 'same-host', `host ${host} is this one: give another one to move to`)
  if (node === undefined) {
    const others = [...state.nodes.values.keys()].filter((name) => name !== state.self.name)
    const known = others.length === 0 ? 'this one is alone' : `the others are ${others.sort().join(', ')}`
    throw new TsnetError('not-found', 'no-such-host', `host ${host} is not in the cluster: ${known}`)
  }
  if (node.version === version) return node.address
  throw new TsnetError(
    'conflict',
    'other-version',
    `host ${host} runs tsnet ${node.version}, this one ${version}: containers move between equal versions`,
  )
}

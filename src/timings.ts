/** How long things took, told to whoever has subscribed. While nobody has, nothing is measured. */
import { type Channel, channel } from 'node:diagnostics_channel'
import { TsnetError } from './errors.ts'

/** A call into a driver that is not tsnet's own. */
export interface DriverCall {
  readonly driver: string
  readonly kind: 'network' | 'ipam' | 'volume'
  readonly origin: 'plugin' | 'file' | 'cni'
}

export interface DriverTiming extends DriverCall {
  /** `refused`: the driver has said no; `unavailable`: it was not there, or did not answer in time; `failed`: anything else. */
  readonly result: 'ok' | 'refused' | 'unavailable' | 'failed'
  readonly seconds: number
}

/** Docker's word. */
export type ContainerAction = 'create' | 'start' | 'delete'

/** Of dockerd's those which take time here: `connect` is that of a container that exists. */
export type NetworkAction = 'connect'

export interface ActionTiming<Action = ContainerAction> {
  readonly action: Action
  readonly seconds: number
}

const driverCalls = channel('tsnet:driver-call')
const containerActions = channel('tsnet:container-action')
const networkActions = channel('tsnet:network-action')

/** Does `body`, a call of a driver. */
export async function timeDriver<T>(call: DriverCall, body: () => Promise<T>): Promise<T> {
  if (!driverCalls.hasSubscribers) return body()
  const started = performance.now()
  const tell = (result: DriverTiming['result']): void => {
    const timing: DriverTiming = { ...call, result, seconds: secondsSince(started) }
    driverCalls.publish(timing)
  }
  try {
    const answer = await body()
    tell('ok')
    return answer
  } catch (error) {
    tell(resultOf(error))
    throw error
  }
}

/** Does `body`, an action of a container. As with dockerd, one that fails does not count. */
export function timeAction<T>(action: ContainerAction, body: () => Promise<T>): Promise<T> {
  return timeTo(containerActions, action, body)
}

/** Does `body`, an action of a network, in the same way. */
export function timeNetworkAction<T>(action: NetworkAction, body: () => Promise<T>): Promise<T> {
  return timeTo(networkActions, action, body)
}

async function timeTo<T>(to: Channel, action: string, body: () => Promise<T>): Promise<T> {
  if (!to.hasSubscribers) return body()
  const started = performance.now()
  const answer = await body()
  const timing: ActionTiming<string> = { action, seconds: secondsSince(started) }
  to.publish(timing)
  return answer
}

export function onDriverCall(listener: (timing: DriverTiming) => void): Disposable {
  return subscribe(driverCalls, listener)
}

export function onContainerAction(listener: (timing: ActionTiming) => void): Disposable {
  return subscribe(containerActions, listener)
}

export function onNetworkAction(listener: (timing: ActionTiming<NetworkAction>) => void): Disposable {
  return subscribe(networkActions, listener)
}

function subscribe<T>(to: Channel, listener: (timing: T) => void): Disposable {
  const heard = (timing: unknown): void => listener(timing as T)
  to.subscribe(heard)
  return { [Symbol.dispose]: () => void to.unsubscribe(heard) }
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000
}

/** Refusals of Docker's and CNI's plugins come without a kind that would say so. */
const refusals: readonly string[] = ['plugin-refused', 'cni-failed']

function resultOf(error: unknown): DriverTiming['result'] {
  if (!(error instanceof TsnetError)) return 'failed'
  if (refusals.includes(error.code)) return 'refused'
  if (error.kind === 'internal') return 'failed'
  return error.kind === 'unavailable' ? 'unavailable' : 'refused'
}

/** Events on the wire. */
import type { EngineEvent } from '../../engine/engine.ts'
import { type Filters, matchesAny, matchesLabels } from '../filters.ts'
import type { EventMessage } from '../schema/system.ts'

export const eventFilters: readonly string[] = [
  'container',
  'event',
  'image',
  'label',
  'network',
  'scope',
  'type',
  'volume',
]

/** One line. Nanoseconds since 1970 are beyond a double's whole numbers, so they are written digit by digit. */
export function formatEvent(event: EngineEvent): string {
  return `${JSON.stringify(toEventMessage(event)).slice(0, -1)},"timeNano":${event.time}}\n`
}

function toEventMessage({ type, action, id, attributes, time }: EngineEvent): Omit<EventMessage, 'timeNano'> {
  const image = attributes['image']
  const hasOlderForm = type === 'container' || type === 'image'
  return {
    ...(hasOlderForm && { status: action, id }),
    ...(type === 'container' && image !== undefined && { from: image }),
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(time / 1_000_000_000n),
  }
}

export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  return (
    matchesAny(filters, 'type', (type) => type === event.type) &&
    matchesAny(filters, 'scope', (scope) => scope === 'local') &&
    matchesAny(filters, 'event', (action) => matchesAction(action, event.action)) &&
    matchesLabels(filters, event.attributes) &&
    matchesSubject(event, filters)
  )
}

/** `exec_start` means `exec_start: ls -l` too. */
function matchesAction(wanted: string, action: string): boolean {
  return action === wanted || action.startsWith(`${wanted}:`)
}

function matchesSubject(event: EngineEvent, filters: Filters): boolean {
  const named = (name: 'container' | 'network' | 'volume'): boolean =>
    matchesAny(filters, name, (value) => event.type === name && matchesIdOrName(event, value))
  return named('container') && named('network') && named('volume') && matchesImage(event, filters)
}

function matchesIdOrName({ id, attributes }: EngineEvent, value: string): boolean {
  return value !== '' && (id.startsWith(value) || attributes['name'] === value)
}

/** Containers match by the image that they were made from, with or without its tag. */
function matchesImage({ type, id, attributes }: EngineEvent, filters: Filters): boolean {
  const image = (type === 'image' ? attributes['name'] : attributes['image']) ?? ''
  return matchesAny(filters, 'image', (value) => [id, image, withoutTag(image)].includes(value))
}

function withoutTag(reference: string): string {
  const colon = reference.lastIndexOf(':')
  return colon > reference.lastIndexOf('/') ? reference.slice(0, colon) : reference
}

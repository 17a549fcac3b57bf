import { describe, expect, test } from 'vitest'
import { parseFilters } from '../../../../src/api/filters.ts'
import { eventFilters, formatEvent, matchesEvent } from '../../../../src/api/wire/event.ts'
import type { EngineEvent } from '../../../../src/engine/engine.ts'

const start: EngineEvent = {
  type: 'container',
  action: 'start',
  id: 'c1',
  attributes: { name: 'web', image: 'localhost:5000/demo:1', tier: 'front' },
  time: 1_767_225_600_123_456_789n,
}
const connect: EngineEvent = {
  ...start,
  type: 'network',
  action: 'connect',
  id: 'n1',
  attributes: { name: 'net' },
}
const pull: EngineEvent = {
  ...start,
  type: 'image',
  action: 'pull',
  id: 'i1',
  attributes: { name: 'demo:1' },
}
const exec: EngineEvent = { ...start, action: 'exec_start: ls -l' }

describe('a line', () => {
  test('of a container has the older form, too, and every nanosecond', () => {
    expect(formatEvent(start)).toBe(
      '{"status":"start","id":"c1","from":"localhost:5000/demo:1","Type":"container","Action":"start",' +
        '"Actor":{"ID":"c1","Attributes":{"name":"web","image":"localhost:5000/demo:1","tier":"front"}},' +
        '"scope":"local","time":1767225600,"timeNano":1767225600123456789}\n',
    )
  })

  test('of a network has the newer form alone', () => {
    expect(JSON.parse(formatEvent(connect))).not.toHaveProperty('status')
  })
})

describe('a filter', () => {
  test.each([
    [{}, start, true],
    [{ type: ['container'] }, start, true],
    [{ type: ['network'] }, start, false],
    [{ event: ['start'] }, start, true],
    [{ event: ['stop', 'start'] }, start, true],
    [{ event: ['sta'] }, start, false],
    [{ event: ['exec_start'] }, exec, true],
    [{ container: ['web'] }, start, true],
    [{ container: ['c1'] }, start, true],
    [{ container: ['other'] }, start, false],
    [{ container: ['web'] }, connect, false],
    [{ network: ['net'] }, connect, true],
    [{ network: ['net'] }, start, false],
    [{ volume: ['v'] }, start, false],
    [{ image: ['localhost:5000/demo'] }, start, true],
    [{ image: ['localhost:5000/demo:1'] }, start, true],
    [{ image: ['demo'] }, pull, true],
    [{ image: ['other'] }, pull, false],
    [{ label: ['tier=front'] }, start, true],
    [{ label: ['tier=back'] }, start, false],
    [{ scope: ['local'] }, start, true],
    [{ scope: ['swarm'] }, start, false],
  ])('of %j', (value, event, matches) => {
    const filters = parseFilters({ filters: JSON.stringify(value) }, eventFilters)
    expect(matchesEvent(event, filters)).toBe(matches)
  })
})

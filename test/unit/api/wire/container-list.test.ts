import { describe, expect, test } from 'vitest'
import { type Filters, parseFilters } from '../../../../src/api/filters.ts'
import {
  containerFilters,
  selectContainers,
  statusText,
  toContainerSummary,
} from '../../../../src/api/wire/container-list.ts'
import { planContainer } from '../../../../src/engine/plan.ts'
import type { ContainerRecord } from '../../../../src/store/records.ts'
import type { ContainerId } from '../../../../src/values/id.ts'
import { bridge, demoImage } from '../memory-engine.ts'
import { mount, noMounts, plainSpec } from './spec.ts'

const state: ContainerRecord['state'] = {
  status: 'created',
  pid: 0,
  exitCode: 0,
  error: '',
  oomKilled: false,
  startedAt: '',
  finishedAt: '',
}
const started = '2026-01-01T00:00:00.000Z'
const finished = '2026-01-01T00:10:00.000Z'

function record(digit: string, name: string, fields: Partial<ContainerRecord> = {}): ContainerRecord {
  const spec = { ...plainSpec, mounts: [mount({ source: 'data', target: '/mnt' })] }
  const planned = planContainer(digit.repeat(64) as ContainerId, name, spec, {
    image: demoImage,
    network: () => bridge,
    checkEndpoint: () => {},
    ...noMounts,
  })
  return { ...planned, createdAt: `2026-01-0${digit}T00:00:00.000Z`, ...fields }
}

const web = record('1', 'web', {
  state: { ...state, status: 'running', startedAt: started },
  labels: { tier: 'front' },
  published: [
    {
      protocol: 'tcp',
      hostAddress: '0.0.0.0',
      hostInterface: '',
      sources: [],
      hostPolicy: '',
      hostPort: 8080,
      containerPort: 80,
      count: 1,
      via: 'dnat',
    },
  ],
})
const job = record('2', 'job', {
  state: { ...state, status: 'exited', exitCode: 3, startedAt: started, finishedAt: finished },
  labels: { tier: 'back' },
  image: 'sha256:other' as ContainerRecord['image'],
  mounts: [],
  endpoints: [],
})
const fresh = record('3', 'fresh')
const all = [web, job, fresh]

const lookups = {
  container: (ref: string) => all.find(({ name }) => name === ref)!,
  imageId: (ref: string) => (ref === 'demo' ? demoImage.id : undefined),
}
const select = (filters: Filters, limit = 0, showAll = true): string[] =>
  selectContainers(all, { all: showAll, limit, filters }, lookups).map(({ name }) => name)
const filters = (value: object): Filters => parseFilters({ filters: JSON.stringify(value) }, containerFilters)

describe('a list', () => {
  test('is of what runs, unless all are wanted, newest first', () => {
    expect(select(new Map(), 0, false)).toEqual(['web'])
    expect(select(new Map())).toEqual(['fresh', 'job', 'web'])
  })

  test('with a limit is of the newest, running or not', () => {
    expect(select(new Map(), 2, false)).toEqual(['fresh', 'job'])
  })

  test.each([
    [{ id: ['111'] }, ['web']],
    [{ id: ['9'] }, []],
    [{ name: ['^/?w'] }, ['web']],
    [{ name: ['b'] }, ['job', 'web']],
    [{ label: ['tier=front'] }, ['web']],
    [{ label: ['tier'] }, ['job', 'web']],
    [{ status: ['exited', 'created'] }, ['fresh', 'job']],
    [{ exited: ['3'] }, ['job']],
    [{ exited: ['0'] }, []],
    [{ ancestor: ['demo'] }, ['fresh', 'web']],
    [{ ancestor: ['gone'] }, []],
    [{ network: ['bridge'] }, ['fresh', 'web']],
    [{ network: ['bbb'] }, ['fresh', 'web']],
    [{ network: ['b', 'x'] }, ['fresh', 'web']],
    [{ network: ['other'] }, []],
    [{ volume: ['data'] }, ['fresh', 'web']],
    [{ volume: ['/mnt'] }, ['fresh', 'web']],
    [{ volume: ['/elsewhere'] }, []],
    [{ before: ['job'] }, ['web']],
    [{ since: ['web'] }, ['fresh', 'job']],
    [{ publish: ['8080'] }, ['web']],
    [{ publish: ['8000-8100/tcp'] }, ['web']],
    [{ publish: ['8080/udp'] }, []],
    [{ expose: ['80'] }, ['web']],
    [{ health: ['none'] }, ['fresh', 'job', 'web']],
    [{ health: ['healthy'] }, []],
    [{ 'is-task': ['true'] }, []],
    [{ 'is-task': ['false'] }, ['fresh', 'job', 'web']],
    [{ name: ['web'], status: ['exited'] }, []],
  ])('filtered by %j is of %j', (value, names) => {
    expect(select(filters(value))).toEqual(names)
  })

  test('filtered by status or exit code needs no all', () => {
    expect(select(filters({ status: ['exited'] }), 0, false)).toEqual(['job'])
    expect(select(filters({ exited: ['3'] }), 0, false)).toEqual(['job'])
  })

  test.each([{ status: ['happy'] }, { exited: ['x'] }, { publish: ['x'] }])(
    'cannot be filtered by %j',
    (value) => {
      expect(() => select(filters(value))).toThrow(expect.objectContaining({ kind: 'invalid' }))
    },
  )
})

describe('the status for people', () => {
  const now = Date.parse('2026-01-01T00:15:00Z')

  test.each([
    [{ ...state }, 'Created'],
    [{ ...state, status: 'running', startedAt: started }, 'Up 15 minutes'],
    [{ ...state, status: 'exited', exitCode: 0, finishedAt: finished }, 'Exited (0) 5 minutes ago'],
    [{ ...state, status: 'exited', exitCode: 137, finishedAt: finished }, 'Exited (137) 5 minutes ago'],
    [{ ...state, status: 'removing' }, 'Removal In Progress'],
    [{ ...state, status: 'dead' }, 'Dead'],
  ] as const)('of %j is %s', (one, text) => {
    expect(statusText(one, now)).toBe(text)
  })
})

describe('an entry', () => {
  test('tells what clients show', () => {
    const now = Date.parse('2026-01-01T00:00:30Z')
    const summary = toContainerSummary({ ...web, argv: ['sh', '-c', 'a b'] }, 'demo', now)
    expect(summary).toMatchObject({
      Id: '1'.repeat(64),
      Names: ['/web'],
      Image: 'demo',
      ImageID: demoImage.id,
      Command: "sh -c 'a b'",
      Created: 1767225600,
      Ports: [{ IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' }],
      Labels: { tier: 'front' },
      State: 'running',
      Status: 'Up 30 seconds',
      HostConfig: { NetworkMode: 'bridge' },
      NetworkSettings: { Networks: { bridge: { NetworkID: bridge.id } } },
    })
    expect(summary.Mounts).toHaveLength(2)
  })

  test('of a stopped container has no ports', () => {
    expect(toContainerSummary({ ...web, state: job.state }, 'demo', 0).Ports).toEqual([])
  })
})

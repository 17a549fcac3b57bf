import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Topology, TopologyContainer } from '../../../../src/api/schema/topology.ts'
import { renderMermaid } from '../../../../src/cli/graph/mermaid.ts'
import { buildGraph, type Graph } from '../../../../src/cli/graph/model.ts'
import { renderSvg } from '../../../../src/cli/graph/svg.ts'
import { renderTree } from '../../../../src/cli/graph/tree.ts'

const golden = join(dirname(fileURLToPath(import.meta.url)), '../../../golden/graph')
const id = (digit: string): string => digit.repeat(64)

const network = (digit: string, Name: string, change: object = {}) => ({
  Id: id(digit),
  Name,
  Driver: 'bridge',
  Internal: false,
  Subnets: [{ Subnet: `10.${digit}.0.0/24`, Gateway: `10.${digit}.0.1` }],
  Interface: `br-${Name}`,
  ...change,
})

const endpoint = (digit: string, Interface: string, IPv4Address: string, IPv6Address = '') => ({
  Network: id(digit),
  Interface,
  MacAddress: '02:00:00:00:00:01',
  IPv4Address,
  IPv6Address,
})

const container = (digit: string, Name: string, change: Partial<TopologyContainer>): TopologyContainer => ({
  Id: id(digit),
  Name,
  State: 'running',
  NetworkOf: '',
  Endpoints: [],
  Ports: [],
  DefaultRoutes: { IPv4: null, IPv6: null },
  ...change,
})

const topology: Topology = {
  Host: {
    Name: 'build-7 <lab> & "co"',
    Interfaces: [
      { Name: 'lo', Kind: '', Up: true, Mtu: 65536, Addresses: ['127.0.0.1/8'] },
      { Name: 'eth0', Kind: '', Up: true, Mtu: 1500, Addresses: ['192.0.2.10/24', '2001:db8::a/64'] },
      { Name: 'eth1', Kind: '', Up: false, Mtu: 1500, Addresses: [] },
      { Name: 'br-front', Kind: 'bridge', Up: true, Mtu: 1500, Addresses: ['10.1.0.1/24'] },
    ],
  },
  Networks: [
    network('2', 'back', { Internal: true }),
    network('1', 'front'),
    network('3', 'host', { Driver: 'host', Subnets: [], Interface: '' }),
    network('4', 'empty', { Driver: 'macvlan', Interface: 'eth0.10' }),
  ],
  Containers: [
    container('a', 'web', {
      Endpoints: [endpoint('1', 'eth0', '10.1.0.2/24', 'fd00:1::2/64'), endpoint('2', 'eth1', '10.2.0.2/24')],
      Ports: [
        { HostIp: '0.0.0.0', HostPort: 8080, ContainerPort: 80, Count: 1, Protocol: 'tcp', Via: 'dnat' },
        { HostIp: '::', HostPort: 9000, ContainerPort: 9000, Count: 11, Protocol: 'udp', Via: 'proxy' },
      ],
      DefaultRoutes: {
        IPv4: { Network: 'front', Gateway: '10.1.0.1', Why: 'the only network that leads out' },
        IPv6: null,
      },
    }),
    container('b', 'db', { Endpoints: [endpoint('2', 'eth0', '10.2.0.3/24')] }),
    container('c', 'sidecar', { NetworkOf: id('a') }),
    container('d', 'stopped', { State: 'exited', Endpoints: [endpoint('1', '', '')] }),
    container('e', 'proxy', { Endpoints: [endpoint('3', '', '')] }),
  ],
}

/** With UPDATE_GOLDEN=1 the file is written instead. */
function expectGolden(name: string, text: string): void {
  const path = join(golden, name)
  if (process.env['UPDATE_GOLDEN']) writeFileSync(path, `${text}\n`)
  expect(`${text}\n`).toBe(readFileSync(path, 'utf8'))
}

describe('the topology', () => {
  const graph = buildGraph(topology, [])

  test.each([
    ['tree.txt', renderTree],
    ['graph.mmd', renderMermaid],
    ['graph.svg', renderSvg],
  ] as const)('is drawn as in %s', (file, render: (graph: Graph) => string) => {
    expectGolden(file, render(graph))
  })

  test('of some networks has only them and their containers, and those that share these', () => {
    const { networks, containers } = buildGraph(topology, ['front'])
    expect(networks.map(({ title }) => title)).toEqual(['front'])
    expect(containers.map(({ title }) => title)).toEqual(['sidecar', 'stopped (exited)', 'web'])
    expect(containers.flatMap(({ endpoints }) => endpoints.map(({ network }) => network))).toEqual([
      id('1'),
      id('1'),
    ])
    expect(buildGraph(topology, [id('2').slice(0, 12)]).networks.map(({ title }) => title)).toEqual(['back'])
    expect(() => buildGraph(topology, ['nothing'])).toThrow('network nothing not found')
  })

  test('of nothing at all can be drawn', () => {
    const empty = buildGraph({ Host: { Name: 'h', Interfaces: [] }, Networks: [], Containers: [] }, [])
    expect(renderTree(empty)).toBe('host h')
    expect(renderMermaid(empty)).toBe('flowchart LR\n  host["h"]')
    expect(renderSvg(empty)).toContain('>h</text>')
  })
})

describe('the drawing', () => {
  const svg = renderSvg(buildGraph(topology, []))
  const boxes = [...svg.matchAll(/<rect x="(\d+)" y="([\d.]+)" width="(\d+)" height="(\d+)"/g)].map(
    ([, ...numbers]) => numbers.map(Number) as [x: number, y: number, width: number, height: number],
  )

  test('has elements that are closed in the order in which they were opened', () => {
    const open: string[] = []
    for (const [, end, name = '', self] of svg.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
      if (end) expect(open.pop()).toBe(name)
      else if (!self) open.push(name)
    }
    expect(open).toEqual([])
    // and no bare special character besides
    expect(svg.replaceAll(/<[^<>]*>/g, '')).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/)
  })

  test('has boxes that do not overlap, all inside the page', () => {
    const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number)
    expect(boxes).toHaveLength(1 + topology.Networks.length + topology.Containers.length)
    for (const [index, [x, y, w, h]] of boxes.entries()) {
      expect(x >= 0 && y >= 0 && x + w <= width && y + h <= height).toBe(true)
      for (const [x2, y2, w2, h2] of boxes.slice(index + 1)) {
        expect(x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y).toBe(true)
      }
    }
  })

  test('has room for the longest line of each box', () => {
    const texts = [...svg.matchAll(/<text x="(\d+)"[^>]*>([^<]*)<\/text>/g)]
    for (const [, x, text = ''] of texts) {
      const length = text.replaceAll(/&\w+;/g, '.').length
      const box = boxes.find(([left]) => left === Number(x) - 10)!
      expect(length * 7.3).toBeLessThanOrEqual(box[2] - 20)
    }
  })
})

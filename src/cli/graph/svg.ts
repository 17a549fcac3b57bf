/** The topology as a drawing: host, networks and containers in three columns, joined by lines from left to right. */
import type { Graph, GraphContainer } from './model.ts'

/** pixels */
const lineHeight = 18
const letterWidth = 7.3
const padding = 10
const gap = 16
const columnGap = 90
const margin = 20

interface Box {
  readonly kind: 'host' | 'network' | 'container'
  readonly lines: readonly string[]
  readonly width: number
  readonly height: number
  readonly x: number
  readonly y: number
}

type Point = readonly [x: number, y: number]

/** A whole SVG document. */
export function renderSvg(given: Graph): string {
  const graph = { ...given, containers: arrange(given) }
  const hostLines = [graph.host, ...graph.interfaces]
  const networkX = margin + widthOf([hostLines]) + columnGap
  const networkLines = graph.networks.map(({ title, details }) => [title, ...details.split(', ')])
  const containerX = networkX + widthOf(networkLines) + columnGap
  const containers = stack('container', graph.containers.map(linesOf), containerX, [])
  const networks = stack('network', networkLines, networkX, wishes(graph, containers))
  const bottom = Math.max(...[...containers, ...networks].map(bottomOf), margin)
  const [host] = stack('host', [hostLines], margin, [(bottom + margin) / 2])
  const boxes = [host!, ...networks, ...containers]
  const lines = [
    ...networks.map((network) => [rightOf(host!), leftOf(network)] as const),
    ...graph.containers.flatMap((container, index) =>
      container.endpoints.map((endpoint, line) => {
        const network = networks[graph.networks.findIndex(({ id }) => id === endpoint.network)]!
        return [rightOf(network), leftOf(containers[index]!, line + 1)] as const
      }),
    ),
  ]
  const width = Math.max(...boxes.map(({ x, width }) => x + width)) + margin
  const height = Math.max(...boxes.map(bottomOf)) + margin
  return document(width, height, [...lines.map(drawLine), ...boxes.map(drawBox)])
}

/** Containers stand beside their networks, so that few lines cross, and those that use another's network below that one. */
function arrange({ networks, containers }: Graph): GraphContainer[] {
  const place = (container: GraphContainer): number => {
    const owner = containers.find(({ id }) => id === container.owner)
    const { endpoints } = owner ?? container
    const places = endpoints.map(({ network }) => networks.findIndex(({ id }) => id === network))
    const middle = places.reduce((sum, index) => sum + index, 0) / Math.max(places.length, 1)
    return owner === undefined ? middle : middle + 0.01
  }
  return containers.toSorted((one, other) => place(one) - place(other))
}

function linesOf({ title, endpoints, notes }: GraphContainer): string[] {
  return [title, ...endpoints.map(({ text }) => text), ...notes]
}

function widthOf(texts: readonly (readonly string[])[]): number {
  const longest = Math.max(0, ...texts.flat().map((line) => [...line].length))
  return Math.ceil(longest * letterWidth) + 2 * padding
}

/** Boxes of one width below each other; each as near to the height that it wishes for its middle as those above let it. */
function stack(
  kind: Box['kind'],
  texts: readonly (readonly string[])[],
  x: number,
  middles: readonly number[],
): Box[] {
  const width = widthOf(texts)
  const boxes: Box[] = []
  let free = margin
  for (const [index, lines] of texts.entries()) {
    const height = lines.length * lineHeight + 2 * padding
    const wished = (middles[index] ?? 0) - height / 2
    const y = Math.round(Math.max(free, wished))
    boxes.push({ kind, lines, width, height, x, y })
    free = y + height + gap
  }
  return boxes
}

/** A network would like to stand beside its containers. */
function wishes(graph: Graph, containers: readonly Box[]): number[] {
  return graph.networks.map(({ id }) => {
    const own = containers.filter((_, index) =>
      graph.containers[index]!.endpoints.some(({ network }) => network === id),
    )
    return own.reduce((sum, { y, height }) => sum + y + height / 2, 0) / Math.max(own.length, 1)
  })
}

function bottomOf({ y, height }: Box): number {
  return y + height
}

function rightOf({ x, y, width, height }: Box): Point {
  return [x + width, y + height / 2]
}

/** At the middle of one of its lines of text, or of the whole. */
function leftOf({ x, y, height }: Box, line?: number): Point {
  return [x, line === undefined ? y + height / 2 : y + padding + (line + 0.5) * lineHeight]
}

function drawLine([[x1, y1], [x2, y2]]: readonly [Point, Point]): string {
  const middle = (x1 + x2) / 2
  return `<path d="M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}"/>`
}

function drawBox({ kind, lines, x, y, width, height }: Box): string {
  const texts = lines.map((line, index) => {
    const base = y + padding + (index + 0.75) * lineHeight
    const title = index === 0 ? ' class="title"' : ''
    return `<text x="${x + padding}" y="${base}"${title}>${escapeXml(line)}</text>`
  })
  const rect = `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`
  return `<g class="${kind}">${rect}${texts.join('')}</g>`
}

const style = [
  'text{font:12px monospace;fill:#1f2933}',
  '.title{font-weight:bold}',
  'path{fill:none;stroke:#7b8794;stroke-width:1.5}',
  'rect{stroke:#7b8794}',
  '.host rect{fill:#f5f7fa}',
  '.network rect{fill:#e3f0fb}',
  '.container rect{fill:#e9f7ec}',
].join('')

function document(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<style>${style}</style>`,
    '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
    ...parts,
    '</svg>',
  ].join('\n')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

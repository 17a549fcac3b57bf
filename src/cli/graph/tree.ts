import type { Graph, GraphContainer, GraphNetwork } from './model.ts'

interface Node {
  readonly text: string
  readonly children: readonly Node[]
}

/** The topology as lines of text. A container's notes stand where it appears first. */
export function renderTree(graph: Graph): string {
  const told = new Set<string>()
  const once = (container: GraphContainer): readonly Node[] => {
    if (told.has(container.id)) return []
    told.add(container.id)
    return container.notes.map(leaf)
  }
  const networks = graph.networks.map((network) => networkNode(network, graph.containers, once))
  const others = graph.containers.filter(({ endpoints }) => endpoints.length === 0)
  const root = {
    text: `host ${graph.host}`,
    children: [
      ...graph.interfaces.map((text) => leaf(`interface ${text}`)),
      ...networks,
      ...others.map((container) => ({ text: container.title, children: once(container) })),
    ],
  }
  return [root.text, ...branches(root.children, '')].join('\n')
}

function leaf(text: string): Node {
  return { text, children: [] }
}

function networkNode(
  network: GraphNetwork,
  containers: readonly GraphContainer[],
  notes: (container: GraphContainer) => readonly Node[],
): Node {
  const children = containers.flatMap((container) =>
    container.endpoints
      .filter((endpoint) => endpoint.network === network.id)
      .map(({ text }) => ({ text: `${container.title} ${text}`, children: notes(container) })),
  )
  return { text: `network ${network.title} (${network.details})`, children }
}

function branches(nodes: readonly Node[], indent: string): string[] {
  return nodes.flatMap(({ text, children }, index) => {
    const isLast = index === nodes.length - 1
    const below = `${indent}${isLast ? '    ' : '│   '}`
    return [`${indent}${isLast ? '└── ' : '├── '}${text}`, ...branches(children, below)]
  })
}

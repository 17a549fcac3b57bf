import type { Graph } from './model.ts'

/** The topology as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html). */
export function renderMermaid(graph: Graph): string {
  const networkName = new Map(graph.networks.map(({ id }, index) => [id, `n${index}`]))
  const containerName = new Map(graph.containers.map(({ id }, index) => [id, `c${index}`]))
  const lines = [
    'flowchart LR',
    `  host[${quote([graph.host, ...graph.interfaces])}]`,
    ...graph.networks.map(
      ({ id, title, details }) => `  ${networkName.get(id)}([${quote([title, details])}])`,
    ),
    ...graph.containers.map(
      ({ id, title, notes }) => `  ${containerName.get(id)}[${quote([title, ...notes])}]`,
    ),
    ...graph.networks.map(({ id }) => `  host --- ${networkName.get(id)}`),
    ...graph.containers.flatMap(({ id, endpoints }) =>
      endpoints.map(
        ({ network, text }) => `  ${networkName.get(network)} ---|${quote([text])}| ${containerName.get(id)}`,
      ),
    ),
  ]
  return lines.join('\n')
}

/** Names of Docker's hold nothing that ends a quoted text; a host's name might. */
function quote(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replaceAll('&', '#amp;').replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;'),
  )
  return `"${escaped.join('<br>')}"`
}

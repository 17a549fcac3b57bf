import { writeFileSync } from 'node:fs'
import type { Topology } from '../../api/schema/topology.ts'
import { text } from '../argv.ts'
import { defineCommand, print } from '../command.ts'
import { renderMermaid } from '../graph/mermaid.ts'
import { buildGraph, type Graph } from '../graph/model.ts'
import { renderSvg } from '../graph/svg.ts'
import { renderTree } from '../graph/tree.ts'
import { badValue } from '../values/bad-value.ts'

const renderings: Readonly<Record<string, (graph: Graph) => string>> = {
  tree: renderTree,
  svg: renderSvg,
  mermaid: renderMermaid,
}

export const command = defineCommand({
  usage: '[OPTIONS] [NETWORK...]',
  summary: 'Show what is connected to what: host, networks, containers, addresses and ports',
  flags: {
    format: text('Rendering: "tree", "svg", "mermaid", or "json" for the data', { initial: 'tree' }),
    output: text('Write to a file, instead of STDOUT', { short: 'o' }),
  },
  arity: [0, Number.POSITIVE_INFINITY],
  async run({ client, flags: { format, output }, args }) {
    const render = Object.hasOwn(renderings, format) ? renderings[format] : undefined
    if (render === undefined && format !== 'json') {
      throw badValue(`unknown format "${format}": give ${Object.keys(renderings).join(', ')} or json`)
    }
    const topology = await client.call<Topology>('GET', '/tsnet/v1/topology')
    const result = render?.(buildGraph(topology, args)) ?? JSON.stringify(topology, null, 4)
    if (output === '') print(result)
    else writeFileSync(output, `${result}\n`)
    return 0
  },
})

import { badValue } from '../values/bad-value.ts'
import { type FunctionTable, functions, isTrue } from './functions.ts'
import { type Node, type Operand, type Pipe, templateError } from './parse.ts'
import { byKey, formatValue } from './value.ts'

interface Scope {
  readonly dot: unknown
  readonly variables: ReadonlyMap<string, unknown>
  readonly functions: FunctionTable
}

/** Objects whose keys are the user's: a key that is not there is no mistake. */
const maps = new Set([
  'Labels',
  'Options',
  'DriverOpts',
  'Attributes',
  'Sysctls',
  'Tmpfs',
  'Details',
  'Annotations',
])

/** Runs a parsed template over `data`. A field that is a function is called with the arguments after it. */
export function evaluateTemplate(
  nodes: readonly Node[],
  data: unknown,
  table: FunctionTable = functions,
): string {
  return runNodes(nodes, { dot: data, variables: new Map([['$', data]]), functions: table })
}

function runNodes(nodes: readonly Node[], outer: Scope): string {
  let scope = outer
  let out = ''
  for (const node of nodes) {
    if (node.kind === 'text') {
      out += node.text
    } else if (node.kind === 'print') {
      const value = runPipe(node.pipe, scope)
      if (node.pipe.variables.length > 0) scope = declare(scope, node.pipe.variables, [value])
      else out += formatValue(value)
    } else {
      out += runBlock(node, scope)
    }
  }
  return out
}

type Block = Extract<Node, { kind: 'if' | 'with' | 'range' }>

function runBlock(node: Block, scope: Scope): string {
  const value = runPipe(node.pipe, scope)
  if (!isTrue(value)) return runNodes(node.otherwise, scope)
  if (node.kind === 'range') return runRange(node, value, scope)
  const inside = declare(scope, node.pipe.variables, [value])
  return runNodes(node.body, node.kind === 'with' ? { ...inside, dot: value } : inside)
}

function runRange(node: Block, value: unknown, scope: Scope): string {
  if (typeof value !== 'object')
    throw badValue(`template parsing error: range can't iterate over ${formatValue(value)}`)
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value as object).sort(byKey)
  const { variables } = node.pipe
  return entries
    .map(([key, item]) => {
      const inside = declare(scope, variables, variables.length === 1 ? [item] : [key, item])
      return runNodes(node.body, { ...inside, dot: item })
    })
    .join('')
}

function declare(scope: Scope, names: readonly string[], values: readonly unknown[]): Scope {
  if (names.length === 0) return scope
  const variables = new Map(scope.variables)
  names.forEach((name, index) => {
    variables.set(name, values[index])
  })
  return { ...scope, variables }
}

function runPipe(pipe: Pipe, scope: Scope): unknown {
  return pipe.commands.reduce<unknown>(
    (piped, command, index) => runCommand(command, index === 0 ? [] : [piped], scope),
    undefined,
  )
}

function runCommand([head, ...rest]: readonly Operand[], piped: readonly unknown[], scope: Scope): unknown {
  const args = () => [...rest.map((operand) => runOperand(operand, scope)), ...piped]
  if (head!.kind === 'function') return functionNamed(head!.name, scope)(...args())
  const value = runOperand(head!, scope)
  if (typeof value === 'function') return value(...args())
  if (rest.length > 0) throw templateError(`can't give argument to non-function ${formatValue(value)}`)
  return value
}

function functionNamed(name: string, scope: Scope) {
  const found = Object.hasOwn(scope.functions, name) ? scope.functions[name] : undefined
  if (!found) throw templateError(`function ${JSON.stringify(name)} not defined`)
  return found
}

function runOperand(operand: Operand, scope: Scope): unknown {
  if (operand.kind === 'literal') return operand.literal
  if (operand.kind === 'function') return functionNamed(operand.name, scope)()
  if (operand.kind === 'group') return walk(runPipe(operand.pipe, scope), operand.path)
  if (operand.from === '.') return walk(scope.dot, operand.path)
  if (!scope.variables.has(operand.from))
    throw templateError(`undefined variable ${JSON.stringify(operand.from)}`)
  return walk(scope.variables.get(operand.from), operand.path)
}

function walk(start: unknown, path: readonly string[]): unknown {
  let value = start
  path.forEach((_key, index) => {
    value = fieldOf(value, path.slice(0, index + 1))
  })
  return value
}

/** The field, also under another capitalization: the API says Id where Docker's own structures say ID. */
function fieldOf(value: unknown, path: readonly string[]): unknown {
  const key = path.at(-1)!
  const fields = Object(value ?? {}) as Record<string, unknown>
  if (Object.hasOwn(fields, key)) return fields[key]
  const alike = Object.keys(fields).find((name) => name.toLowerCase() === key.toLowerCase())
  if (alike !== undefined) return fields[alike]
  if (maps.has(path.at(-2) ?? '')) return undefined
  throw templateError(`executing "" at <.${path.join('.')}>: map has no entry for key ${JSON.stringify(key)}`)
}

/** The part of Go's text/template that `--format` is used with: fields, variables, pipes, if, with, range, and comments. */
import { badValue } from '../values/bad-value.ts'

/** A piece of a template in the order in which it is printed. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

/** `$variables := command | command`; the value of each command is the last argument of the next. */
export interface Pipe {
  readonly variables: readonly string[]
  readonly commands: readonly (readonly Operand[])[]
}

/** One word of a command; the first may be a function, or a field that is one. */
export type Operand =
  | { readonly kind: 'value'; readonly from: '.' | `$${string}`; readonly path: readonly string[] }
  | { readonly kind: 'literal'; readonly literal: string | number | boolean | null }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'group'; readonly pipe: Pipe; readonly path: readonly string[] }

interface Token {
  readonly text: string
  /** no space before it */
  readonly glued: boolean
}

/** `text` outside actions, or the tokens of one action. */
type Piece = { readonly text: string } | { readonly tokens: readonly Token[] }

/** Throws what is wrong with the template, in about the words of Go. */
export function parseTemplate(source: string): readonly Node[] {
  const pieces = splitPieces(source)
  const nodes = parseNodes(pieces)
  const left = pieces.shift()
  if (left && 'tokens' in left) throw templateError(`unexpected {{${left.tokens[0]!.text}}}`)
  return nodes
}

/** There is no column: templates are one line that the user has just typed. */
export function templateError(detail: string): Error {
  return badValue(`template parsing error: template: :1: ${detail}`)
}

function splitPieces(source: string): Piece[] {
  const pieces: Piece[] = []
  let trimNext = false
  let rest = source
  while (rest !== '') {
    const open = rest.indexOf('{{')
    const raw = open < 0 ? rest : rest.slice(0, open)
    const action = open < 0 ? undefined : readAction(rest.slice(open))
    let text = trimNext ? raw.trimStart() : raw
    if (action?.trimsBefore) text = text.trimEnd()
    if (text !== '') pieces.push({ text })
    if (!action) break
    if (action.tokens.length > 0) pieces.push({ tokens: action.tokens })
    trimNext = action.trimsAfter
    rest = rest.slice(open + action.length)
  }
  return pieces
}

function readAction(source: string) {
  const match =
    /^\{\{(-\s)?(\/\*[\s\S]*?\*\/|(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`}]|\}(?!\}))*?)(\s-)?\}\}/.exec(source)
  if (!match) throw templateError('unclosed action')
  const [whole, before, content, after] = match
  const isComment = content!.startsWith('/*')
  const tokens = isComment ? [] : tokenize(content!)
  if (!isComment && tokens.length === 0) throw templateError('missing value for command')
  return { tokens, length: whole.length, trimsBefore: before !== undefined, trimsAfter: after !== undefined }
}

function tokenize(content: string): Token[] {
  const pattern = /(\s*)("(?:[^"\\]|\\.)*"|`[^`]*`|[+-]?\d+(?:\.\d+)?|\$\w*|\.\w+|\.|\w+|:=|[()|,])/y
  const tokens: Token[] = []
  while (content.slice(pattern.lastIndex).trim() !== '') {
    const at = pattern.lastIndex
    const match = pattern.exec(content)
    if (!match) throw templateError(`unexpected ${JSON.stringify(content.slice(at).trim()[0])} in command`)
    tokens.push({ text: match[2]!, glued: match[1] === '' })
  }
  return tokens
}

/** Reads nodes up to an `else` or `end` that belongs to somebody above, which it leaves in `pieces`. */
function parseNodes(pieces: Piece[]): Node[] {
  const nodes: Node[] = []
  for (let piece = pieces[0]; piece !== undefined; piece = pieces[0]) {
    if ('tokens' in piece && ['end', 'else'].includes(piece.tokens[0]!.text)) break
    pieces.shift()
    if ('text' in piece) nodes.push({ kind: 'text', text: piece.text })
    else nodes.push(parseAction([...piece.tokens], pieces))
  }
  return nodes
}

function parseAction(tokens: Token[], pieces: Piece[]): Node {
  const word = tokens[0]!.text
  if (word !== 'if' && word !== 'with' && word !== 'range') return { kind: 'print', pipe: parsePipe(tokens) }
  tokens.shift()
  const pipe = parsePipe(tokens)
  const body = parseNodes(pieces)
  return { kind: word, pipe, body, otherwise: parseOtherwise(pieces) }
}

/** What follows the body of an `if`, `with` or `range`: `else`, `else if`, or nothing, and `end`. */
function parseOtherwise(pieces: Piece[]): Node[] {
  const piece = pieces.shift()
  if (!piece || 'text' in piece) throw templateError('unexpected EOF')
  const [word, ...more] = piece.tokens
  if (word!.text === 'end') return []
  if (more.length > 0) return [parseAction(more, pieces)]
  const nodes = parseNodes(pieces)
  const end = pieces.shift()
  if (!end || 'text' in end) throw templateError('unexpected EOF')
  return nodes
}

function parsePipe(tokens: Token[]): Pipe {
  const variables = parseVariables(tokens)
  const commands: Operand[][] = []
  for (;;) {
    const command: Operand[] = []
    while (tokens.length > 0 && tokens[0]!.text !== '|' && tokens[0]!.text !== ')')
      command.push(parseOperand(tokens))
    if (command.length === 0) throw templateError('missing value for command')
    commands.push(command)
    if (tokens[0]?.text !== '|') break
    tokens.shift()
  }
  return { variables, commands }
}

function parseVariables(tokens: Token[]): string[] {
  const end = tokens.findIndex(({ text }) => text === ':=')
  if (end < 0) return []
  const names = tokens.splice(0, end + 1).map(({ text }) => text)
  return names.filter((name) => name.startsWith('$'))
}

function parseOperand(tokens: Token[]): Operand {
  const { text } = tokens.shift()!
  if (text === '(') return parseGroup(tokens)
  if (text === '.') return { kind: 'value', from: '.', path: [] }
  if (text.startsWith('.')) return { kind: 'value', from: '.', path: [text.slice(1), ...parsePath(tokens)] }
  if (text.startsWith('$')) return { kind: 'value', from: text as `$${string}`, path: parsePath(tokens) }
  if (text.startsWith('"')) return { kind: 'literal', literal: unquote(text) }
  if (text.startsWith('`')) return { kind: 'literal', literal: text.slice(1, -1) }
  if (/^[+-]?\d/.test(text)) return { kind: 'literal', literal: Number(text) }
  if (text === 'true' || text === 'false') return { kind: 'literal', literal: text === 'true' }
  if (text === 'nil') return { kind: 'literal', literal: null }
  if (/^\w+$/.test(text)) return { kind: 'function', name: text }
  throw templateError(`unexpected ${JSON.stringify(text)} in operand`)
}

function parseGroup(tokens: Token[]): Operand {
  const pipe = parsePipe(tokens)
  if (tokens.shift()?.text !== ')') throw templateError('unclosed left paren')
  return { kind: 'group', pipe, path: parsePath(tokens) }
}

function parsePath(tokens: Token[]): string[] {
  const path: string[] = []
  while (tokens[0]?.glued && /^\.\w/.test(tokens[0].text)) path.push(tokens.shift()!.text.slice(1))
  return path
}

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string
  } catch {
    throw templateError(`unterminated quoted string ${text}`)
  }
}

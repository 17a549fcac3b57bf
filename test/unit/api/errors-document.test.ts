/** docs/errors.md is made from the sources: UPDATE_GOLDEN=1 writes it anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { statusOfKind } from '../../../src/api/errors.ts'
import type { ErrorKind } from '../../../src/errors.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const document = join(root, 'docs/errors.md')

interface Raised {
  readonly code: string
  /** '' where it is decided at run time */
  readonly kind: string
  readonly message: string
  readonly file: string
}

const opening = 'new TsnetError('

interface Source {
  readonly file: string
  readonly source: string
}

/** Every error that a source makes. Throws for one whose code cannot be read, so that none is missed. */
function raisedIn(file: string, source: string, others: readonly Source[] = []): Raised[] {
  return positionsOf(source, opening).flatMap((position) => {
    const rest = source.slice(position + opening.length)
    const [kinds = '', codes = '', message = ''] = argumentsOf(rest)
    // Another error's code, passed on.
    if (/^\w+\.code$/.test(codes)) return []
    const found = literalsOf(codes)
    if (found.length === 0) throw new Error(`${file}: no code in ${opening}${rest.slice(0, 80)}`)
    const kind = literalsOf(kinds).join(', ')
    const given = message === 'message' ? messagesGivenTo({ file, source }, position, others) : []
    const messages = given.length > 0 ? given : [{ message: literalsOf(message).join(''), file }]
    return found.flatMap((code) => messages.map((one) => ({ code, kind, ...one })))
  })
}

function positionsOf(source: string, text: string): number[] {
  return Array.from(source.matchAll(new RegExp(text.replace('(', '\\('), 'g')), ({ index }) => index)
}

/** The messages with which the function around a position is called, in the same file and in those that import it. */
function messagesGivenTo(
  own: Source,
  position: number,
  others: readonly Source[],
): Pick<Raised, 'message' | 'file'>[] {
  const before = own.source.slice(0, position)
  const name = [...before.matchAll(/function (\w+)\(message: string\)/g)].at(-1)?.[1]
  if (name === undefined) return []
  const imported = new RegExp(
    `import \\{[^}]*\\b${name}\\b[^}]*\\} from '[./a-z0-9-]*/${basename(own.file)}'`,
  )
  return [own, ...others.filter(({ source }) => imported.test(source))].flatMap(({ file, source }) =>
    positionsOf(source, `throw ${name}(`)
      .map((call) => argumentsOf(source.slice(call + `throw ${name}(`.length))[0] ?? '')
      .map((argument) => ({ message: literalsOf(argument).join(''), file }))
      .filter(({ message }) => message !== ''),
  )
}

/** A string, or a template whose holes may hold further ones. */
const literal =
  /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\$]|\\.|\$(?!\{)|\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\})*)`/

/** The arguments as they are written, up to the closing parenthesis. */
function argumentsOf(source: string): string[] {
  const list = ['']
  let depth = 0
  for (const [token] of source.matchAll(new RegExp(`${literal.source}|[^]`, 'g'))) {
    if (/^[([{]$/.test(token)) depth++
    if (/^[)\]}]$/.test(token) && depth-- === 0) break
    if (token === ',' && depth === 0) list.push('')
    else list[list.length - 1] += token
  }
  return list.map((one) => one.trim())
}

/** The texts of the literals in an expression, `…` for what is filled in; none where it does not begin or choose with one. */
function literalsOf(expression: string): string[] {
  if (!/^['"`]|\?\s*['"`]/.test(expression)) return []
  return Array.from(expression.matchAll(new RegExp(literal.source, 'g')), ([, single, double, template]) =>
    (single ?? double ?? template ?? '')
      .replaceAll(/\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}/g, '…')
      .replaceAll('\\n', ' ')
      .replaceAll(/\\(.)/g, '$1'),
  )
}

function allRaised(): Raised[] {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file): Source => ({ file: `src/${file}`, source: readFileSync(join(root, 'src', file), 'utf8') }))
  return sources.flatMap(({ file, source }) => raisedIn(file, source, sources))
}

/** Codes with the messages that they come with, in the order of the alphabet. */
function render(raised: readonly Raised[]): string {
  const codes = [...Map.groupBy(raised, ({ code }) => code)].sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = codes.map(([code, uses]) => {
    const kinds = [...new Set(uses.map(({ kind }) => kind || 'any'))].sort()
    const statuses = kinds.map((kind) => statusOfKind[kind as ErrorKind] ?? 'any')
    const messages = [...new Set(uses.map(({ message }) => message).filter(Boolean))]
    const files = [...new Set(uses.map(({ file }) => file))]
    const cells = [
      `\`${code}\``,
      kinds.join(', '),
      [...new Set(statuses)].join(', '),
      messages.map(toCell).join('<br>'),
      files.map((file) => file.replace('src/', '')).join(', '),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return `${preamble}${rows.join('\n')}\n`
}

function toCell(message: string): string {
  return message.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')
}

const preamble = `# Errors

Every refusal and failure of tsnet has a kind, a code and a message. The kind decides the HTTP status of the API, whose
answer is Docker's \`{"message": "…"}\`; the code is stable and stands in the daemon's log. \`…\` is filled in when it happens;
a row without a message gets it from where the problem was found.

This page is made from the sources by \`test/unit/api/errors-document.test.ts\` (\`UPDATE_GOLDEN=1\` writes it anew).

| Kind | Status | Meaning |
| --- | --- | --- |
| invalid | 400 | the request cannot be right as given |
| unauthorized | 401 | credentials are missing or wrong |
| forbidden | 403 | it is not allowed |
| not-found | 404 | there is no such thing |
| conflict | 409 | right in itself, but not in the present state |
| unchanged | 304 | already in the wanted state; the answer has no body |
| internal | 500 | a fault of tsnet or of the machine |
| unsupported | 501 | this kernel, this machine or this version of tsnet cannot do it |
| unavailable | 503 | something needed is missing or does not answer now |

| Code | Kind | Status | Message | Raised in |
| --- | --- | --- | --- | --- |
`

describe('the reader of sources', () => {
  /** A hole in a template, written so that it is none here. */
  const hole = '$'.concat('{name}')

  test('finds code, kind and message', () => {
    const source = `throw new TsnetError(\n  'invalid',\n  'bad-x',\n  'it\\'s ' +\n \`${hole} bad\`,\n)`
    expect(raisedIn('f', source)).toEqual([
      { code: 'bad-x', kind: 'invalid', message: "it's … bad", file: 'f' },
    ])
  })

  test('knows holes, choices and variables', () => {
    expect(raisedIn('f', `new TsnetError(kind, \`no-${hole}-driver\`, message)`)).toEqual([
      { code: 'no-…-driver', kind: '', message: '', file: 'f' },
    ])
    const codes = raisedIn('f', "new TsnetError('invalid', a(b) ? 'one' : 'two', 'x')").map(
      ({ code }) => code,
    )
    expect(codes).toEqual(['one', 'two'])
  })

  test('finds the messages that a helper is given', () => {
    const source = `function bad(message: string) { return ${opening}'invalid', 'bad-x', message) }
      if (a) throw bad('one is wrong')
      throw bad(other)`
    expect(raisedIn('f', source).map(({ message }) => message)).toEqual(['one is wrong'])
  })

  test('finds those that another file gives it, by whatever way that leads to it', () => {
    const source = `export function bad(message: string) { return ${opening}'invalid', 'bad-x', message) }`
    const call = "\nthrow bad('two is wrong')"
    const others = [
      { file: 'src/b/user.ts', source: `import { bad, other } from '../a/bad.ts'${call}` },
      { file: 'src/c/stranger.ts', source: `import { bad } from './worse.ts'${call}` },
    ]
    expect(raisedIn('src/a/bad.ts', source, others)).toEqual([
      { code: 'bad-x', kind: 'invalid', message: 'two is wrong', file: 'src/b/user.ts' },
    ])
  })

  test('takes a code that is passed on for what it is', () => {
    expect(raisedIn('f', "new TsnetError('invalid', error.code, error.message)")).toEqual([])
  })

  test('does not pass over an error that it cannot read', () => {
    expect(() => raisedIn('f', `${opening}...args)`)).toThrow('f: no code in')
  })
})

describe('docs/errors.md', () => {
  const raised = allRaised()

  test('lists every error that the sources raise', () => {
    const rendered = render(raised)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(document, rendered)
    expect(readFileSync(document, 'utf8')).toBe(rendered)
  })

  test('has codes in one spelling', () => {
    expect(raised.length).toBeGreaterThan(50)
    const odd = raised.filter(({ code }) => !/^[a-z0-9…]+([-_][a-z0-9…]+)*$/.test(code))
    expect(odd).toEqual([])
  })

  test('names the status of every kind', () => {
    for (const [kind, status] of Object.entries(statusOfKind)) {
      expect(preamble).toContain(`| ${kind} | ${status} |`)
    }
  })
})

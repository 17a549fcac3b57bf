import { TsnetError } from '../errors.ts'

/** ctrl-@ is 0, ctrl-a 1, and so on in ASCII's order. */
const controls = '@abcdefghijklmnopqrstuvwxyz[\\]^_'

/** Docker's notation, `ctrl-p,ctrl-q` or `a,b`, as bytes. '' gives the default. Throws kind 'invalid'. */
export function parseDetachKeys(text: string): number[] {
  return (text === '' ? 'ctrl-p,ctrl-q' : text).split(',').map((key) => {
    if (key.length === 1 && key <= '\x7f') return key.charCodeAt(0)
    const [, letter] = /^ctrl-(.)$/.exec(key) ?? []
    const code = letter === undefined ? -1 : controls.indexOf(letter)
    if (code >= 0) return code
    throw new TsnetError(
      'invalid',
      'bad-detach-keys',
      `Invalid detach keys (${text}): unknown character: '${key}'`,
    )
  })
}

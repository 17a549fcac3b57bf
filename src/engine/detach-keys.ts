import { TsnetError } from '../errors.ts'

const named: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 }

/** Docker's notation, `ctrl-p,ctrl-q` or `a,b`, as bytes. '' gives the default. Throws kind 'invalid'. */
export function parseDetachKeys(text: string): number[] {
  return (text === '' ? 'ctrl-p,ctrl-q' : text).split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0)
    const letter = key.startsWith('ctrl-') ? key.slice(5) : ''
    if (/^[a-z]$/.test(letter)) return letter.charCodeAt(0) - 96
    const code = named[letter]
    if (code !== undefined) return code
    throw new TsnetError(
      'invalid',
      'bad-detach-keys',
      `Invalid detach keys (${text}): unknown character: '${key}'`,
    )
  })
}

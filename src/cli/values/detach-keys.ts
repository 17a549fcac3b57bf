import { badValue } from './bad-value.ts'

const controls: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 }

/** The bytes of `ctrl-p,ctrl-q` or `a,b`; ctrl-p ctrl-q when `text` is ''. */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return [16, 17]
  return text.split(',').map((key) => parseKey(key, text))
}

function parseKey(key: string, whole: string): number {
  if (key.length === 1) return key.charCodeAt(0)
  const letter = /^ctrl-(.)$/.exec(key.toLowerCase())?.[1]
  if (letter !== undefined && letter >= 'a' && letter <= 'z') return letter.charCodeAt(0) - 96
  const control = letter === undefined ? undefined : controls[letter]
  if (control === undefined) throw badValue(`invalid detach keys (${whole}): Unknown character: '${key}'`)
  return control
}

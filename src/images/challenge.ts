/** WWW-Authenticate (RFC 9110, section 11.6.1) as registries use it. */

export interface Challenge {
  /** in lower case: `bearer` or `basic` */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const schemePattern = /\s*([A-Za-z][\w-]*)(?=\s|$)/y
const parameterPattern = /\s*,?\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y

/** The challenges of a header's value, of which some registries send several. What does not parse is passed over. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Challenge[] = []
  let position = 0
  while (position < header.length) {
    const scheme = matchAt(schemePattern, header, position)
    if (scheme === null) {
      position++
      continue
    }
    position += scheme[0].length
    const parameters: Record<string, string> = {}
    for (;;) {
      const parameter = matchAt(parameterPattern, header, position)
      if (parameter === null) break
      position += parameter[0].length
      const [, name = '', quoted, plain = ''] = parameter
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain
    }
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters })
  }
  return challenges
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position
  return pattern.exec(text)
}

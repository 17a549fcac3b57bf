import { badValue } from './bad-value.ts'

/** The fields of one line of comma-separated values (RFC 4180): `a,"b,c"` has two. */
export function parseCsvLine(line: string): string[] {
  const fields: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y
  for (;;) {
    const match = field.exec(line)
    if (!match) {
      throw badValue(`parse error on line 1, column ${field.lastIndex + 1}: bare " in non-quoted-field`)
    }
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!)
    if (match[3] === '') return fields
  }
}

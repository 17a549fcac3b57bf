import { TsnetError } from '../../errors.ts'

/** What is wrong with a flag's value, in Docker's words where it has some. */
export function badValue(message: string): TsnetError {
  return new TsnetError('invalid', 'flag-value', message)
}

import { TsnetError } from '../../errors.ts'

/** The refusal of an entry of a volume's archive, or of the archive. Its bytes are shown as the text that they most likely are. */
export function refuse(name: string | null, problem: string): TsnetError {
  if (name === null) return new TsnetError('invalid', 'archive-refused', `what is imported ${problem}`)
  const shown = Buffer.from(name, 'latin1').toString()
  return new TsnetError('invalid', 'archive-refused', `archive entry "${shown}" ${problem}`)
}

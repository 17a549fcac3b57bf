import { TsnetError } from '../errors.ts'

export function badSetting(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-config', message)
}

import { badValue } from './bad-value.ts'

/** `deny`, which allows nothing, or `allow=destination,…`: the destinations. The daemon says what is wrong with one of them. */
export function parseEgress(text: string): readonly string[] {
  if (text === 'deny') return []
  const entries = text.startsWith('allow=') ? text.slice('allow='.length).split(',') : []
  if (entries.length === 0 || entries.includes('')) {
    throw badValue(`"${text}" is no egress policy: write deny, or allow=10.0.0.0/8:5432,api.example.com:443`)
  }
  return entries
}

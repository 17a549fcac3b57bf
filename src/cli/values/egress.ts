import { badValue } from './bad-value.ts'

/** `any`; `deny`, which allows nothing; or `allow=destination,…`. What is wrong with a destination the daemon says. */
export function parseEgress(text: string): string {
  const entries = text.startsWith('allow=') ? text.slice('allow='.length).split(',') : []
  if (text === 'any' || text === 'deny' || (entries.length > 0 && !entries.includes(''))) return text
  throw badValue(
    `"${text}" is no egress policy: write any, deny, or allow=10.0.0.0/8:5432,api.example.com:443`,
  )
}

/** What parsed policies come to together, as HostConfig.Egress has it: null for everything. */
export function joinEgress(policies: readonly string[]): readonly string[] | null {
  const limits = policies.filter((policy) => policy !== 'any')
  if (limits.length === 0) return null
  if (limits.length < policies.length) throw badValue(`conflicting options: egress any and ${limits[0]}`)
  return limits.flatMap((policy) => (policy === 'deny' ? [] : policy.slice('allow='.length).split(',')))
}

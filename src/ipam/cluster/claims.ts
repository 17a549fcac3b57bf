/**
 * What hosts write to each other about single addresses in each other's blocks. Who wants one claims it under its own lease;
 * the host that has the block answers. A claim without a question mark is of an address in use.
 *
 *   addresses/NETWORK/10.1.0.7           h2 ENDPOINT ?k3x0 container web
 *   addresses/NETWORK/10.1.0.7/answer    h1 k3x0 granted
 *   addresses/NETWORK/10.1.0.7           h2 ENDPOINT - container web
 */

export interface Claim {
  readonly node: string
  /** The endpoint's id. */
  readonly endpoint: string
  /** Tells one question from another; '' when there is none. */
  readonly question: string
  /** The container in words; with a question for any address the name of the host that is asked. */
  readonly who: string
}

export interface Answer {
  /** Who answers. */
  readonly node: string
  /** '' for a claim that asked nothing. */
  readonly question: string
  readonly verdict: 'granted' | 'refused' | 'try' | 'full'
  /** refused: who has the address, in words; try: an address that is free */
  readonly text: string
}

export function formatClaim({ node, endpoint, question, who }: Claim): string {
  return [node, endpoint, question === '' ? '-' : `?${question}`, who].join(' ')
}

/** Undefined for what is no claim. */
export function parseClaim(text: string): Claim | undefined {
  const [, node, endpoint, question, who = ''] = /^(\S+) (\S+) (-|\?\S+) (.*)$/.exec(text) ?? []
  if (node === undefined || endpoint === undefined || question === undefined) return undefined
  return { node, endpoint, question: question.slice(1), who }
}

export function formatAnswer({ node, question, verdict, text }: Answer): string {
  return [node, question === '' ? '-' : question, verdict, text].join(' ')
}

/** Undefined for what is no answer. */
export function parseAnswer(text: string): Answer | undefined {
  const [, node, question, verdict, rest = ''] =
    /^(\S+) (\S+) (granted|refused|try|full) (.*)$/.exec(text) ?? []
  if (node === undefined || question === undefined) return undefined
  return {
    node,
    question: question === '-' ? '' : question,
    verdict: verdict as Answer['verdict'],
    text: rest,
  }
}

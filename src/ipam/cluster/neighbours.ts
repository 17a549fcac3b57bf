/** Single addresses across hosts: asks other hosts for addresses of their blocks, and answers what they ask of this one's (`claims.ts`). */
import { randomBytes } from 'node:crypto'
import type { Change, Cluster, Mirror } from '../../cluster/cluster.ts'
import { addressKey, answerKey, blockKey } from '../../cluster/keys.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { containsIp, formatCidr, parseCidr } from '../../values/cidr.ts'
import { isIp } from '../../values/ip.ts'
import { blockAround } from './blocks.ts'
import { type Answer, type Claim, formatAnswer, formatClaim, parseAnswer, parseClaim } from './claims.ts'
import type { Holdings } from './holdings.ts'

export interface NeighboursOptions {
  readonly cluster: Cluster
  readonly log: Logger
  readonly holdings: Holdings
  readonly describeOwner: (id: string) => string
  readonly onLost: (endpoint: string, address: string, holder: string) => void
  readonly save: () => void
}

/** milliseconds */
const patience = { answer: 3000, suggestion: 1000, recheck: 5000 } as const

/** Ends the key of an answer; begins that of a question for any address. */
const marks = { answer: '/answer', any: 'any-' } as const

export class Neighbours {
  readonly #options: NeighboursOptions
  #mirror: Mirror<string> | null = null
  readonly #waiting = new Map<string, (answer: Answer) => void>()
  /** What answers stand for, below the network's addresses. */
  readonly #answered = new Set<string>()

  constructor(options: NeighboursOptions) {
    this.#options = options
  }

  /** From the first block or address on: hears what others ask. What they have asked before is answered as well. Safe to repeat. */
  follow(): void {
    if (this.#mirror === null) this.#open()
    else this.#readClaims()
  }

  #open(): void {
    const { cluster, holdings } = this.#options
    const mirror = cluster.mirror(addressKey(holdings.network, ''))
    this.#mirror = mirror
    mirror.subscribe((changes) => {
      for (const change of changes) this.#handle(change)
    })
    mirror.ready().then(
      () => this.#compare(),
      () => {},
    )
  }

  unfollow(): void {
    this.#mirror?.[Symbol.dispose]()
    this.#mirror = null
  }

  /** The addresses of a block that other hosts have claimed, with who they are. */
  async claimsIn(block: string): Promise<Record<string, string>> {
    const { cluster, holdings } = this.#options
    const found = await cluster.list(addressKey(holdings.network, ''))
    // One that is given up just now may have gone from the mirror before it was read here.
    setTimeout(() => this.#compare(), patience.recheck).unref()
    const claims = [...found].flatMap(([address, value]): [string, string][] => {
      const claim = parseClaim(value)
      const isIn = isIp(address) && containsIp(parseCidr(block), address)
      return isIn && claim !== undefined && claim.node !== cluster.self.name ? [[address, nameOf(claim)]] : []
    })
    return Object.fromEntries(claims)
  }

  /** Takes an address of another host's block. Throws kind 'conflict' with its holder, 'unavailable' when that host is silent. */
  async ask(owner: string, address: string, holder: string): Promise<void> {
    const { cluster, holdings } = this.#options
    const key = addressKey(holdings.network, address)
    const question = newQuestion()
    const claim = this.#claim(owner, question)
    this.follow()
    const found = await cluster.hold(key, claim)
    if (found !== claim) throw inUse(address, nameOf(parseClaim(found) ?? unknownClaim))
    try {
      const answer = await this.#await(question, patience.answer)
      if (answer === null) throw silent(address, holder)
      if (answer.verdict !== 'granted') throw inUse(address, answer.text)
      await this.#checkGrant(address, answer)
      holdings.addSingle(address, owner)
    } catch (error) {
      cluster.release(key)
      throw error
    }
    cluster.holdLater(key, this.#claim(owner, ''))
  }

  /** Who answers must have the block still: it may have lost it and not know. */
  async #checkGrant(address: string, { node }: Answer): Promise<void> {
    const { cluster, holdings } = this.#options
    const key = blockKey(holdings.network, blockAround(holdings.range, address))
    const holder = (await cluster.list(key)).get('')
    if (holder !== node) throw silent(address, holder ?? node)
  }

  /** An address of any other host's; null when none has one. */
  async askAny(owner: string): Promise<string | null> {
    for (const node of await this.#holders()) {
      const address = await this.#askForAny(owner, node)
      if (address === null) continue
      try {
        await this.ask(owner, address, node)
        return address
      } catch (error) {
        if (!(error instanceof TsnetError && error.code === 'address-in-use')) throw error
      }
    }
    return null
  }

  /** The hosts that have blocks of the subnet, in any order. */
  async #holders(): Promise<string[]> {
    const { cluster, holdings } = this.#options
    const blocks = [...(await cluster.list(blockKey(holdings.network, '')))].filter(([block]) =>
      containsIp(holdings.subnet, parseCidr(block).network),
    )
    const nodes = new Set(blocks.map(([, node]) => node).filter((node) => node !== cluster.self.name))
    return [...nodes].sort(() => Math.random() - 0.5)
  }

  async #askForAny(owner: string, node: string): Promise<string | null> {
    const { cluster, holdings } = this.#options
    const question = newQuestion()
    const key = addressKey(holdings.network, `${marks.any}${question}`)
    const claim = {
      node: cluster.self.name,
      endpoint: owner,
      question,
      who: `${node} ${formatCidr(holdings.subnet)}`,
    }
    this.follow()
    await cluster.hold(key, formatClaim(claim))
    try {
      const answer = await this.#await(question, patience.suggestion)
      return answer?.verdict === 'try' ? answer.text : null
    } finally {
      cluster.release(key)
    }
  }

  /** Null when nobody answers in time. */
  #await(question: string, milliseconds: number): Promise<Answer | null> {
    const { promise, resolve } = Promise.withResolvers<Answer | null>()
    const timer = setTimeout(() => resolve(null), milliseconds)
    this.#waiting.set(question, resolve)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(question)
    })
  }

  #claim(owner: string, question: string): string {
    const { cluster, describeOwner } = this.#options
    return formatClaim({ node: cluster.self.name, endpoint: owner, question, who: describeOwner(owner) })
  }

  #readClaims(): void {
    for (const [key, value] of this.#mirror?.values ?? []) this.#handle({ key, before: undefined, value })
  }

  /** What was left to others and is claimed no longer comes back. */
  #compare(): void {
    const { holdings, save } = this.#options
    if (this.#mirror === null) return
    const known = this.#mirror.values
    this.#readClaims()
    const gone = Object.values(holdings.held).flatMap((left) =>
      Object.keys(left).filter((address) => !known.has(address)),
    )
    for (const address of gone) holdings.takeBack(address)
    if (gone.length > 0) save()
  }

  #handle({ key, value }: Change<string>): void {
    if (key.endsWith(marks.answer)) this.#hear(key.slice(0, -marks.answer.length), value)
    else if (value === undefined) this.#forget(key)
    else this.#hearClaim(key, value)
  }

  #hearClaim(key: string, value: string): void {
    const claim = parseClaim(value)
    if (claim === undefined || claim.node === this.#options.cluster.self.name) return
    if (key.startsWith(marks.any)) this.#suggest(key, claim)
    else if (isIp(key) && this.#options.holdings.has(key)) this.#consider(key, claim)
  }

  #hear(subject: string, value: string | undefined): void {
    const answer = value === undefined ? undefined : parseAnswer(value)
    if (answer === undefined) return
    this.#waiting.get(answer.question)?.(answer)
    // This host claims again what has become another's meanwhile.
    const { holdings, cluster, onLost } = this.#options
    const single = holdings.singles.get(subject)
    if (answer.question !== '' || answer.verdict !== 'refused' || single === undefined) return
    holdings.dropSingle(subject)
    cluster.release(addressKey(holdings.network, subject))
    onLost(single.owner, subject, answer.text)
  }

  #consider(address: string, claim: Claim): void {
    const { holdings, save } = this.#options
    // Who asks does not have it yet; an endpoint that has moved comes without a question.
    const moved = claim.question === '' ? claim.endpoint : ''
    const isLeft = holdings.leave(address, nameOf(claim), moved)
    if (isLeft) save()
    if (isLeft && claim.question === '') this.#takeAnswerBack(address)
    else this.#answer(address, claim, isLeft ? 'granted' : 'refused', isLeft ? '' : this.#holderOf(address))
  }

  #holderOf(address: string): string {
    const { holdings, describeOwner, cluster } = this.#options
    return `${describeOwner(holdings.holder(address) ?? '')} on ${cluster.self.name}`
  }

  #suggest(key: string, claim: Claim): void {
    const { holdings, cluster } = this.#options
    if (claim.who !== `${cluster.self.name} ${formatCidr(holdings.subnet)}`) return
    const address = holdings.suggest()
    this.#answer(key, claim, address === null ? 'full' : 'try', address ?? '')
  }

  #answer(subject: string, { question }: Claim, verdict: Answer['verdict'], text: string): void {
    const { cluster, holdings, log } = this.#options
    const answer = formatAnswer({ node: cluster.self.name, question, verdict, text })
    this.#answered.add(subject)
    cluster
      .hold(answerKey(holdings.network, subject), answer)
      .catch((error: unknown) =>
        log.debug({ subject, err: errorMessage(error) }, 'a question for an address was not answered'),
      )
  }

  #takeAnswerBack(subject: string): void {
    const { cluster, holdings } = this.#options
    if (this.#answered.delete(subject)) cluster.release(answerKey(holdings.network, subject))
  }

  #forget(subject: string): void {
    const { holdings, save } = this.#options
    this.#takeAnswerBack(subject)
    if (!isIp(subject) || holdings.leftTo(subject) === undefined) return
    holdings.takeBack(subject)
    save()
  }
}

function newQuestion(): string {
  return randomBytes(6).toString('hex')
}

const unknownClaim: Claim = { node: 'another host', endpoint: '', question: '', who: 'an endpoint' }

function nameOf({ node, who }: Claim): string {
  return `${who} on ${node}`
}

function inUse(address: string, holder: string): TsnetError {
  return new TsnetError(
    'conflict',
    'address-in-use',
    `Address already in use: ${address} is held by ${holder}`,
  )
}

function silent(address: string, holder: string): TsnetError {
  return new TsnetError(
    'unavailable',
    'address-not-left',
    `address ${address} lies in a block of host ${holder}, which has not answered: see whether its daemon runs, or take another address`,
  )
}

/**
 * Which offsets of a block are taken. One bit per address, in pages that exist only while something in them is taken, and
 * above them bits that say which words are full: a /8 held entirely costs 2.2 MB, an empty one 68 kB.
 *
 *   level 2      1 1 0 …          a bit per word of level 1: is it full?
 *   level 1      1…1 1…1 1…01 …   a bit per word of level 0
 *   level 0      a bit per offset, in pages
 */

const pageWords = 1024
const full = -1

interface Page {
  readonly words: Int32Array
  taken: number
}

/** Offsets 0 to size - 1, given out in rising order after the last one given out, wrapping at the end. */
export class OffsetPool {
  readonly size: number
  readonly #pages: (Page | undefined)[] = []
  /** Levels 1 and up; the last has one word. */
  readonly #summaries: Int32Array[] = []
  #taken = 0
  #next = 0

  /** At most 2 ** 31 offsets. */
  constructor(size: number) {
    this.size = size
    let bits = size
    do {
      bits = Math.ceil(bits / 32)
      const words = new Int32Array(Math.ceil(bits / 32))
      words[words.length - 1] = beyond(bits)
      this.#summaries.push(words)
    } while (bits > 32)
  }

  get taken(): number {
    return this.#taken
  }

  has(offset: number): boolean {
    return ((this.#wordAt(offset >>> 5) >>> (offset & 31)) & 1) === 1
  }

  /** Takes that offset; false when it is taken already. */
  takeAt(offset: number): boolean {
    const index = offset >>> 5
    const bit = 1 << (offset & 31)
    const word = this.#wordAt(index)
    if ((word & bit) !== 0) return false
    const place = Math.floor(index / pageWords)
    const page = this.#pages[place] ?? this.#createPage(index)
    this.#pages[place] = page
    page.words[index % pageWords] = word | bit
    page.taken++
    this.#taken++
    if ((word | bit) === full) this.#markFull(index)
    return true
  }

  /** Takes the next free offset, or returns null when there is none. */
  take(): number | null {
    if (this.#taken === this.size) return null
    const offset = this.#findFree(this.#next) ?? this.#findFree(0)!
    this.takeAt(offset)
    this.#next = offset + 1 === this.size ? 0 : offset + 1
    return offset
  }

  /** Safe to repeat. */
  free(offset: number): void {
    const index = offset >>> 5
    const word = this.#wordAt(index)
    const bit = 1 << (offset & 31)
    if ((word & bit) === 0) return
    const place = Math.floor(index / pageWords)
    const page = this.#pages[place]!
    page.words[index % pageWords] = word & ~bit
    page.taken--
    this.#taken--
    if (word === full) this.#markNotFull(index)
    if (page.taken === 0) this.#pages[place] = undefined
  }

  /** A word of level 0. In the last one the bits beyond the block's end count as taken. */
  #wordAt(index: number): number {
    const page = this.#pages[Math.floor(index / pageWords)]
    if (page !== undefined) return page.words[index % pageWords]!
    return index === (this.size - 1) >>> 5 ? beyond(this.size) : 0
  }

  /** The last page is as long as the block's rest, so that small blocks cost little. */
  #createPage(index: number): Page {
    const first = index - (index % pageWords)
    const words = new Int32Array(Math.min(pageWords, Math.ceil(this.size / 32) - first))
    if (first + words.length === Math.ceil(this.size / 32)) words[words.length - 1] = beyond(this.size)
    return { words, taken: 0 }
  }

  /** A word below became full: the levels above learn it, as far up as that fills words. */
  #markFull(bit: number): void {
    for (const words of this.#summaries) {
      const word = words[bit >>> 5]! | (1 << (bit & 31))
      words[bit >>> 5] = word
      if (word !== full) return
      bit >>>= 5
    }
  }

  #markNotFull(bit: number): void {
    for (const words of this.#summaries) {
      const word = words[bit >>> 5]!
      words[bit >>> 5] = word & ~(1 << (bit & 31))
      if (word !== full) return
      bit >>>= 5
    }
  }

  /** The first free offset at or after `from`: up until a word has a gap after it, then down into the gap. */
  #findFree(from: number): number | null {
    const index = from >>> 5
    const here = firstGap(this.#wordAt(index), from & 31)
    if (here !== null) return index * 32 + here
    let bit = index + 1
    for (let level = 0; level < this.#summaries.length; level++) {
      const words = this.#summaries[level]!
      const gap = bit >>> 5 < words.length ? firstGap(words[bit >>> 5]!, bit & 31) : null
      if (gap !== null) return this.#descend(level, (bit >>> 5) * 32 + gap)
      bit = (bit >>> 5) + 1
    }
    return null
  }

  /** From a bit of a level that says "not full" to the first free offset below it. */
  #descend(level: number, bit: number): number {
    for (let below = level - 1; below >= 0; below--) {
      bit = bit * 32 + firstGap(this.#summaries[below]![bit]!, 0)!
    }
    return bit * 32 + firstGap(this.#wordAt(bit), 0)!
  }
}

/** The bits of the last word that lie beyond `bits`, set. */
function beyond(bits: number): number {
  return bits % 32 === 0 ? 0 : full << (bits % 32)
}

/** The number of the first bit that is not set, at or after `from`. */
function firstGap(word: number, from: number): number | null {
  const free = ~(word | ((1 << from) - 1))
  return free === 0 ? null : 31 - Math.clz32(free & -free)
}

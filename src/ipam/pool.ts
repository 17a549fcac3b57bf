/**
 * Which offsets of a block are taken. One bit per address, in pages that exist only while something in them is taken:
 * a /8 held entirely costs 2.2 MB, an empty one nothing.
 */

const pageBits = 32_768

interface Page {
  readonly words: Uint32Array
  taken: number
}

/** Offsets 0 to size - 1, given out in rising order after the last one given out, wrapping at the end. */
export class OffsetPool {
  readonly size: number
  readonly #pages: (Page | undefined)[] = []
  #taken = 0
  #next = 0

  constructor(size: number) {
    this.size = size
  }

  get taken(): number {
    return this.#taken
  }

  has(offset: number): boolean {
    const page = this.#pages[Math.floor(offset / pageBits)]
    return page !== undefined && ((page.words[(offset % pageBits) >>> 5]! >>> (offset & 31)) & 1) === 1
  }

  /** Takes that offset; false when it is taken already. */
  takeAt(offset: number): boolean {
    if (this.has(offset)) return false
    const index = Math.floor(offset / pageBits)
    const page = this.#pages[index] ?? this.#createPage(index)
    this.#pages[index] = page
    page.words[(offset % pageBits) >>> 5]! |= 1 << (offset & 31)
    page.taken++
    this.#taken++
    return true
  }

  /** The last page is as long as the block's rest, so that small blocks cost little. */
  #createPage(index: number): Page {
    const bits = Math.min(pageBits, this.size - index * pageBits)
    return { words: new Uint32Array(Math.ceil(bits / 32)), taken: 0 }
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
    if (!this.has(offset)) return
    const index = Math.floor(offset / pageBits)
    const page = this.#pages[index]!
    page.words[(offset % pageBits) >>> 5]! &= ~(1 << (offset & 31))
    page.taken--
    this.#taken--
    if (page.taken === 0) this.#pages[index] = undefined
  }

  /** The first free offset at or after `from`: whole pages and whole words are passed over at once. */
  #findFree(from: number): number | null {
    let offset = from
    while (offset < this.size) {
      const page = this.#pages[Math.floor(offset / pageBits)]
      if (page === undefined) return offset
      const pageEnd = offset - (offset % pageBits) + pageBits
      const found = page.taken === pageBits ? null : findInPage(page, offset % pageBits)
      if (found !== null) return this.#inside(pageEnd - pageBits + found)
      offset = pageEnd
    }
    return null
  }

  /** The bits of the last word beyond the block's end look free and are not. */
  #inside(offset: number): number | null {
    return offset < this.size ? offset : null
  }
}

/** The first free bit of a page at or after `from`. */
function findInPage(page: Page, from: number): number | null {
  // the bits before `from` count as taken
  let word = page.words[from >>> 5]! | ((1 << (from & 31)) - 1)
  for (let index = from >>> 5; index < page.words.length; word = page.words[++index]!) {
    const free = ~word
    if (free !== 0) return index * 32 + 31 - Math.clz32(free & -free)
  }
  return null
}

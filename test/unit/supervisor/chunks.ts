/** Bytes in pieces, as a stream may deliver them. */
import fc from 'fast-check'

/** Where to cut, as numbers that are taken modulo the length. */
const cuts = fc.array(fc.nat(), { maxLength: 20 })

/** The bytes in order, in one piece more than there are distinct cuts inside them. */
function split(bytes: Buffer, wanted: readonly number[]): Buffer[] {
  const positions = [...new Set(wanted.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const edges = [0, ...positions, bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

export const chunked = { cuts, split }

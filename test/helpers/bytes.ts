/** Bytes written as hex, grouped as the reader likes: bytes('08 00  04 00'). */
export function bytes(...parts: readonly string[]): Buffer {
  const hex = parts.join('').replaceAll(/\s/g, '')
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hex: ${hex}`)
  return Buffer.from(hex, 'hex')
}

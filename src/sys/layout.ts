/**
 * Layouts of the kernel's structures. Offsets follow the C compiler's natural alignment, the value's type follows from
 * the fields, and test/kernel/layout.test.ts compares every layout with the compiler's own answer. Integers are in the
 * host's byte order, which is little-endian on x86-64 and arm64; the `be` types are in network order.
 */

/** One C type: its size, its alignment (both in bytes), and how a value of it is read and written. */
export interface Field<T> {
  readonly size: number
  readonly align: number
  read(from: Buffer, at: number): T
  write(to: Buffer, at: number, value: T): void
}

export const u8: Field<number> = {
  size: 1,
  align: 1,
  read: (from, at) => from.readUInt8(at),
  write: (to, at, value) => void to.writeUInt8(value, at),
}

export const u16: Field<number> = {
  size: 2,
  align: 2,
  read: (from, at) => from.readUInt16LE(at),
  write: (to, at, value) => void to.writeUInt16LE(value, at),
}

export const u16be: Field<number> = {
  size: 2,
  align: 2,
  read: (from, at) => from.readUInt16BE(at),
  write: (to, at, value) => void to.writeUInt16BE(value, at),
}

export const u32: Field<number> = {
  size: 4,
  align: 4,
  read: (from, at) => from.readUInt32LE(at),
  write: (to, at, value) => void to.writeUInt32LE(value, at),
}

export const i32: Field<number> = {
  size: 4,
  align: 4,
  read: (from, at) => from.readInt32LE(at),
  write: (to, at, value) => void to.writeInt32LE(value, at),
}

export const u64: Field<bigint> = {
  size: 8,
  align: 8,
  read: (from, at) => from.readBigUInt64LE(at),
  write: (to, at, value) => void to.writeBigUInt64LE(value, at),
}

/** An array of `size` bytes; what is written may be shorter. */
export function bytes(size: number): Field<Buffer> {
  return {
    size,
    align: 1,
    read: (from, at) => from.subarray(at, at + size),
    write: (to, at, value) => void value.copy(to, at, 0, size),
  }
}

type Fields = Readonly<Record<string, Field<unknown>>>
type ValueOf<F> = F extends { read(from: Buffer, at: number): infer T } ? T : never

/** The fields' values; those whose name begins with `_` are padding and have none. */
export type Value<F extends Fields> = {
  readonly [Name in keyof F as Name extends `_${string}` ? never : Name]: ValueOf<F[Name]>
}

export interface Struct<F extends Fields> extends Field<Value<F>> {
  /** Bytes from the start of the structure to each field, padding included. */
  readonly offsets: { readonly [Name in keyof F]: number }
  /** A new buffer of the structure's size; fields left out are zero, as in a C initializer. */
  encode(values: Partial<Value<F>>): Buffer
  /** Throws RangeError when fewer bytes are left than the structure has. */
  decode(from: Buffer, at?: number): Value<F>
}

/** A C structure of the given fields in order. A nested structure is a field like any other. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const { size, align, offsets } = arrange(fields)
  const valued = Object.entries(fields).filter(([name]) => !name.startsWith('_'))
  const read = (from: Buffer, at: number): Value<F> =>
    Object.fromEntries(
      valued.map(([name, field]) => [name, field.read(from, at + offsets[name]!)]),
    ) as Value<F>
  const write = (to: Buffer, at: number, values: object): void => {
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) fields[name]!.write(to, at + offsets[name]!, value)
    }
  }
  return {
    size,
    align,
    offsets: offsets as Struct<F>['offsets'],
    read,
    write,
    encode(values) {
      const buffer = Buffer.alloc(size)
      write(buffer, 0, values)
      return buffer
    },
    decode(from, at = 0) {
      if (from.length - at < size) {
        throw new RangeError(
          `structure of ${size} bytes at offset ${at} does not fit in ${from.length} bytes`,
        )
      }
      return read(from, at)
    },
  }
}

/** Natural alignment: each field at a multiple of its alignment, the whole a multiple of the largest. */
function arrange(fields: Fields): { size: number; align: number; offsets: Readonly<Record<string, number>> } {
  const offsets: Record<string, number> = {}
  let end = 0
  let align = 1
  for (const [name, field] of Object.entries(fields)) {
    const offset = alignUp(end, field.align)
    offsets[name] = offset
    end = offset + field.size
    align = Math.max(align, field.align)
  }
  return { size: alignUp(end, align), align, offsets }
}

function alignUp(offset: number, align: number): number {
  return Math.ceil(offset / align) * align
}

/** Building stones of the wire's schemas. As in Docker every field may be absent or null, and unknown ones are let pass. */
import Type, { type TSchema } from 'typebox'

export function optional<T extends TSchema>(schema: T) {
  return Type.Optional(Type.Union([schema, Type.Null()]))
}

/** Bounds lists, so that a body of the allowed size cannot make work without end. */
export const maxItems = 4096

export const text = optional(Type.String())
export const flag = optional(Type.Boolean())
export const integer = optional(Type.Integer())
export const texts = optional(Type.Array(Type.String(), { maxItems }))
export const textMap = optional(Type.Record(Type.String(), Type.String()))
/** Go's set of strings: `{"80/tcp": {}}`. */
export const textSet = optional(Type.Record(Type.String(), Type.Unknown()))
/** A command line: a list, or one string that is its only word. */
export const words = optional(Type.Union([Type.Array(Type.String(), { maxItems }), Type.String()]))
/** Rows and columns of the client's terminal, as many as the kernel can note. */
export const ConsoleSize = optional(
  Type.Array(Type.Integer({ minimum: 0, maximum: 0xffff }), { maxItems: 2 }),
)
export const unknown = Type.Optional(Type.Unknown())

export function list<T extends TSchema>(schema: T) {
  return optional(Type.Array(schema, { maxItems }))
}

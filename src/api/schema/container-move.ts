import Type from 'typebox'

export type ContainerMove = Type.Static<typeof ContainerMove>
export const ContainerMove = Type.Object({
  /** The host's name. */
  To: Type.String(),
})

/** What a move ends with, as the `aux` of its last message. */
export interface ContainerMoved {
  Id: string
  Name: string
  /** Why it is not known to run there although it ran here, '' when all is well. */
  Error: string
}

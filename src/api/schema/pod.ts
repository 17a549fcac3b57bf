/** A call of tsnet as a CNI plugin: the runtime's environment, and what it wrote to standard input. */
import Type from 'typebox'
import { text } from './fields.ts'

export const PodCallBody = Type.Object({
  Command: text,
  ContainerID: text,
  Netns: text,
  IfName: text,
  Args: text,
  Config: Type.Record(Type.String(), Type.Unknown()),
})

/** Programs of the benchmark's own in namespaces of their own, which answer each message with one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Argv } from './command.ts'

/** Starts a program that says something when it is ready. */
export async function startChild([program, ...args]: Argv): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await answerOf(child, args)
  return child
}

/** Throws when the child ends instead. */
export async function ask(child: ChildProcess, question: object | string): Promise<unknown> {
  const answer = answerOf(child, child.spawnargs)
  child.send(question)
  return await answer
}

async function answerOf(child: ChildProcess, name: readonly string[]): Promise<unknown> {
  const listening = new AbortController()
  const { signal } = listening
  const answered = once(child, 'message', { signal }).then(([answer]) => answer)
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${name.join(' ')}: ended with ${code}`)
  })
  answered.catch(() => {})
  ended.catch(() => {})
  try {
    return await Promise.race([answered, ended])
  } finally {
    listening.abort()
  }
}

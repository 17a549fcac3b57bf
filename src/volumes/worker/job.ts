/** What a job is: a plain function of JSON input to JSON output. It may block: nobody else is served meanwhile. */

/** What a job has besides its input. */
export interface Context {
  /** Tells how far it is, in bytes; `total` is 0 while unknown. The deadline begins anew. As often as one likes. */
  progress(bytes: number, total: number): void
  /** Sends bytes to the stream that the caller gave, and waits while that takes none. */
  write(bytes: Buffer): void
}

// biome-ignore lint/suspicious/noExplicitAny: each job has an input of its own, known where it is called by name
export type Job = (input: any, context: Context) => unknown

/** What a job is: a plain function of JSON input to JSON output. It may block: nobody else is served meanwhile. */

/** What a job has besides its input. */
export interface Context {
  /** Tells how far it is, in bytes; `total` is 0 while unknown. The deadline begins anew. As often as one likes. */
  progress(bytes: number, total: number): void
  /** Descriptors of the caller's streams; both are /dev/null where it gave none. */
  readonly stdin: number
  readonly stdout: number
}

// biome-ignore lint/suspicious/noExplicitAny: each job has an input of its own, known where it is called by name
export type Job = (input: any, context: Context) => unknown

/** What every driver of a kind does, as things that can be tried: by the project's own tests, and by `tsnet driver test`. */
export interface Check<L> {
  /** A sentence that is false of a driver that fails. */
  readonly title: string
  /** Rejects when the driver does otherwise. */
  run(lab: L): Promise<void>
}

/** Text by keys, as users write labels and options. */
export type Labels = Readonly<Record<string, string>>

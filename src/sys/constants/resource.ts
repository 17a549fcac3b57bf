/** <asm-generic/resource.h>, by Docker's names. RLIMIT_AS (9) is not among those that Docker offers. */
export const RLIMIT: ReadonlyMap<string, number> = new Map([
  ['cpu', 0],
  ['fsize', 1],
  ['data', 2],
  ['stack', 3],
  ['core', 4],
  ['rss', 5],
  ['nproc', 6],
  ['nofile', 7],
  ['memlock', 8],
  ['locks', 10],
  ['sigpending', 11],
  ['msgqueue', 12],
  ['nice', 13],
  ['rtprio', 14],
  ['rttime', 15],
])

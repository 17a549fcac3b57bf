/** What may be said of a tmpfs. Pure. */
import { TsnetError } from '../errors.ts'
import { parseMountOptions } from '../sys/mount-options.ts'

/** tmpfs(5) */
const tmpfsOption =
  /^((size|nr_blocks|nr_inodes)=\d+[kmgtpe%]?|mode=0?[0-7]{1,4}|[ug]id=\d+|mpol=(default|prefer|bind|interleave|local)\S*)$/i

/** Throws kind 'invalid' that names the options which no tmpfs has. */
export function checkTmpfsOptions(options: string): void {
  const { data } = parseMountOptions(options, 0)
  const wrong = data.split(',').filter((option) => option !== '' && !tmpfsOption.test(option))
  if (wrong.length === 0) return
  throw new TsnetError(
    'invalid',
    'bad-tmpfs-option',
    `invalid tmpfs option ${wrong.map((option) => JSON.stringify(option)).join(', ')}: there are size=, mode=, uid=, gid=, nr_inodes=, nr_blocks=, mpol= and mount(8)'s own`,
  )
}

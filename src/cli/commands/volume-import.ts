import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, realpathSync, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { toggle } from '../argv.ts'
import { ByteCount } from '../byte-count.ts'
import { defineCommand, print } from '../command.ts'
import { openInput } from '../input-file.ts'
import { badValue } from '../values/bad-value.ts'
import { importFlags, refuseTaken, tellImported, VolumeUpload } from '../volume-upload.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME [FILE|-]',
  summary: 'Create a volume from an archive, such as of volume export (read from STDIN by default)',
  flags: {
    ...importFlags,
    resume: toggle('Go on with sending the file where an earlier import of it broke off'),
  },
  arity: [1, 2],
  async run({ client, flags, given, args: [name, file = '-'] }) {
    const display = flags.quiet ? { write: () => {} } : process.stderr
    await refuseTaken(client, name!, flags.replace)
    if (file === '-') {
      if (process.stdin.isTTY) throw badValue('requested import from stdin, but stdin is a terminal')
      const upload = new VolumeUpload(client, name!, randomBytes(16).toString('hex'))
      // What has been read of it cannot be read again.
      await upload.sendOnce(process.stdin)
      tellImported(await upload.finish(flags, given, display))
    } else {
      ;(await openInput(file)).destroy()
      const { token, size } = identify(name!, file)
      const upload = new VolumeUpload(client, name!, token)
      const there = flags.resume ? await upload.offset() : 0
      const count = new ByteCount(display, name!, 'Sending', size)
      await upload.send(there <= size ? there : 0, (start) => {
        const chunks = createReadStream(file, { start, highWaterMark: 1 << 20 })
        return Readable.from(count.of(chunks, start), { objectMode: false })
      })
      tellImported(await upload.finish(flags, given, display))
    }
    print(name!)
    return 0
  },
})

/** The same file, unchanged, is the same upload again. */
function identify(volume: string, file: string): { readonly token: string; readonly size: number } {
  const { size, mtimeMs } = statSync(file)
  const identity = JSON.stringify([volume, realpathSync(file), size, mtimeMs])
  return { token: createHash('sha256').update(identity).digest('hex').slice(0, 32), size }
}

import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { text, toggle } from '../argv.ts'
import { ByteCount } from '../byte-count.ts'
import { createClient } from '../client.ts'
import { defineCommand, print } from '../command.ts'
import { chooseHost } from '../host.ts'
import { badValue } from '../values/bad-value.ts'
import { isChanged, VolumeDownload } from '../volume-download.ts'
import { importFlags, refuseTaken, tellImported, VolumeUpload } from '../volume-upload.ts'

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME --to HOST',
  summary: 'Copy a volume to another tsnet daemon',
  flags: {
    ...importFlags,
    as: text('Name of the copy, if not that of the volume'),
    tlscacert: text('Trust only certificates of the other daemon that this CA signed'),
    tlscert: text('Path to TLS certificate file for the other daemon'),
    tlskey: text('Path to TLS key file for the other daemon'),
    tlsverify: toggle('Use TLS with the other daemon and verify it'),
    to: text('Daemon socket to copy to', { placeholder: 'host' }),
  },
  arity: [1, 1],
  async run({ client, flags, given, args: [name] }) {
    if (flags.to === '')
      throw badValue('--to is needed: the daemon that gets the copy, such as tcp://host:2376')
    const host = chooseHost({ ...flags, host: flags.to }, process.env)
    // Another host's daemon cannot be started from here.
    const target = createClient(host, async () => false)
    const copy = flags.as || name!
    await refuseTaken(target, copy, flags.replace)
    const display = flags.quiet ? { write: () => {} } : process.stderr
    const count = new ByteCount(display, copy, 'Copying')
    const source = new VolumeDownload(client, name!)
    const upload = new VolumeUpload(target, copy, randomBytes(16).toString('hex'))
    await upload.send(
      0,
      (start) => Readable.from(count.of(source.chunks(start), start), { objectMode: false }),
      isChanged,
    )
    tellImported(await upload.finish(flags, given, display))
    print(copy)
    return 0
  },
})

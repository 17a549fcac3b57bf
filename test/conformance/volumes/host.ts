/** A directory that the daemon and the script have in common, also what is mounted in it, and images with something to copy. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { writeEventsOf } from '../events-of.ts'
import type { Bare, Equipment } from '../side.ts'

/** The script begins in the directory, empty for each topic. */
export async function equip({ pid, folder, must }: Bare): Promise<Equipment> {
  const files = join(folder, 'files')
  mkdirSync(files)
  writeEventsOf(folder, 'volume', '{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}')
  const archive = busyboxArchive()
  await must('docker import - box', archive)
  await must(`docker import --change 'VOLUME ["/data", "/new"]' - declared`, archive)
  await must(`mkdir ${folder}/rootfs && tar -xC ${folder}/rootfs`, archive)
  await must(`cd ${folder}/rootfs && ${furnish} && tar -c . | docker import - full && rm -r ${folder}/rootfs`)
  // With its processes' namespace comes its /proc.
  const before = ['nsenter', `--mount=/proc/${pid}/ns/mnt`, `--pid=/proc/${pid}/ns/pid`, 'env', '-C', files]
  const clear = async () => {
    await must(clearing)
    execFileSync(before[0]!, [...before.slice(1), 'sh', '-c', emptying])
  }
  return { env: {}, before, clear, stop: () => {} }
}

/** One of each kind of file. */
const furnish = `mkdir -p tree/dir tree/sticky tree/hidden empty && cd tree &&
  echo text > file && ln file dir/same && ln -s /etc/passwd absolute && ln -s dir/same relative && ln -s nowhere dangling &&
  echo x > setuid && truncate -s 1M sparse && echo x > 'a name' && mkfifo fifo &&
  chown 1:2 file && chown -h 3:4 relative && chown 1000:2000 dir sticky && chown 7:8 . &&
  chmod 640 file && chmod 4755 setuid && chmod 1777 sticky && chmod 000 hidden && chmod 2750 dir && chmod 751 . &&
  touch -d @1000000000 file dir sparse && cd .. && ln -s tree link && chown 5:6 empty && chmod 700 empty`

const clearing = `
  containers=$(docker ps -aq) && { [ -z "$containers" ] || docker rm -f $containers; } &&
  volumes=$(docker volume ls -q) && { [ -z "$volumes" ] || docker volume rm $volumes; }`

/** The innermost mount first. */
const emptying = `
  grep -o " $PWD/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount && rm -rf -- "$PWD"/*`

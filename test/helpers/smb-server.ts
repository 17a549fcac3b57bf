/** Samba's server in a network namespace, with all that it writes in one directory. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class SmbServer implements Disposable {
  readonly #process: ChildProcess

  /** Serves `directory` in the namespace `netns` as the share `data` to the user root, some time after; `state` is made. */
  constructor(netns: string, state: string, directory: string, password: string) {
    mkdirSync(state)
    const settings = join(state, 'smb.conf')
    const folders = ['state', 'cache', 'lock', 'private', 'pid'].map(
      (kind) => `${kind} ${kind === 'private' ? 'dir' : 'directory'} = ${state}`,
    )
    const global = [
      'disable netbios = yes',
      `ncalrpc dir = ${state}/ncalrpc`,
      `log file = ${state}/log`,
      ...folders,
    ]
    const share = [`path = ${directory}`, 'read only = no', 'valid users = root']
    writeFileSync(settings, `[global]\n${global.join('\n')}\n[data]\n${share.join('\n')}\n`)
    execFileSync('smbpasswd', ['-c', settings, '-s', '-a', 'root'], { input: `${password}\n${password}\n` })
    const program = ['smbd', '--foreground', '--no-process-group', `--configfile=${settings}`]
    this.#process = spawn('nsenter', [`--net=/run/netns/${netns}`, ...program], {
      stdio: 'ignore',
      // at its end it ends its whole process group
      detached: true,
    })
  }

  [Symbol.dispose](): void {
    this.#process.kill()
  }
}

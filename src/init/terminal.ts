/** The container's terminal: the slave side of a pseudo-terminal whose master the supervisor holds. */
import { closeSync, openSync } from 'node:fs'
import { MS_BIND } from '../sys/constants/mount.ts'
import { mount } from '../sys/mount.ts'
import { setsid } from '../sys/process.ts'
import { setControllingTerminal } from '../sys/terminal.ts'
import { receive, send } from './channel.ts'
import type { Handlers } from './mounts.ts'
import type { Terminal } from './steps.ts'

function askNumber(): number {
  send({ terminal: true })
  return (receive() as { terminal: number }).terminal
}

function openTerminal(step: Terminal): readonly number[] {
  const path = `/dev/pts/${step.number ?? askNumber()}`
  const fd = openSync(path, 'r+')
  setsid()
  setControllingTerminal(fd)
  if (step.console) {
    closeSync(openSync('/dev/console', 'w', 0o600))
    mount(path, '/dev/console', '', MS_BIND, '')
  }
  return [fd, fd, fd]
}

export const terminalStep: Pick<Handlers, 'terminal'> = {
  terminal: (step, state) => {
    state.stdio = openTerminal(step)
  },
}

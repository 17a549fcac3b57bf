import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SyscallError } from '../../src/sys/errno.ts'
import { duplicate, execve, mkfifo, openPidfd, sendSignal, setCloseOnExec } from '../../src/sys/process.ts'
import { openPty, setWindowSize } from '../../src/sys/terminal.ts'
import { become, becomingCommand, statusOf } from '../helpers/become.ts'

test('a program starts with no signal ignored, blocked or handled', () => {
  const none = '0'.repeat(16)
  expect(statusOf({})).toMatchObject({ SigIgn: none, SigBlk: none, SigCgt: none })
})

test('a program whose reader goes away dies of SIGPIPE, which Node ignores', () => {
  const [command, args] = becomingCommand({ argv: ['/bin/busybox', 'yes'] })
  const words = [command, ...args].map((word) => `'${word}'`).join(' ')
  const { stdout } = spawnSync('bash', ['-c', `${words} | head -n 1; echo "\${PIPESTATUS[0]}"`], {
    encoding: 'utf8',
  })
  expect(stdout).toBe('y\n141\n')
})

test('a program gets the standard descriptors and no others', async () => {
  // descriptor 240 is one that Node does not mark at its start
  const [command, args] = becomingCommand({ argv: ['/bin/busybox', 'ls', '/proc/self/fd'] })
  const words = [command, ...args].map((word) => `'${word}'`).join(' ')
  const { stdout } = spawnSync('bash', ['-c', `exec 240</dev/null; ${words}`], { encoding: 'utf8' })
  // 3 is the folder that ls reads
  expect(stdout.trim().split('\n')).toEqual(['0', '1', '2', '3'])
})

test('execve returns the errno when there is no such program', () => {
  expect(execve('/nonexistent/program', ['program'], [])).toBe(2)
})

test('a program that cannot be executed leaves its process able to tell', () => {
  expect(become({ argv: ['/etc/passwd'] })).toMatchObject({
    status: 126,
    stderr: 'execve /etc/passwd: errno 13\n',
  })
})

test('a pidfd names its process until after its end', async () => {
  const child = spawn('sleep', ['60'])
  using pidfd = openPidfd(child.pid ?? 0)
  const ended = once(child, 'exit')
  sendSignal(pidfd, 15)
  expect(await ended).toEqual([null, 'SIGTERM'])
  expect(() => sendSignal(pidfd, 15)).toThrow(/ESRCH/)
})

test('a process that does not exist has no pidfd', () => {
  expect(() => openPidfd(2 ** 22 + 1)).toThrow(SyscallError)
})

test('a duplicate stands for the same file and survives execve', () => {
  const fd = openSync('/etc/hostname', 'r')
  const copy = openSync('/dev/null', 'r')
  duplicate(fd, copy)
  const [own, other] = [Buffer.alloc(64), Buffer.alloc(64)]
  readSync(fd, own, 0, 64, 0)
  readSync(copy, other, 0, 64, 0)
  expect(other).toEqual(own)
  expect(closeOnExec(copy)).toBe(false)
  setCloseOnExec(copy, true)
  expect(closeOnExec(copy)).toBe(true)
  closeSync(fd)
  closeSync(copy)
})

function closeOnExec(fd: number): boolean {
  const flags = /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? ''
  return (Number.parseInt(flags, 8) & 0o2000000) !== 0
}

test('mkfifo makes a named pipe and refuses a name that is taken', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-fifo-'))
  const path = join(directory, 'out')
  mkfifo(path, 0o600)
  expect(statSync(path).isFIFO()).toBe(true)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(() => mkfifo(path, 0o600)).toThrow(/EEXIST/)
  rmSync(directory, { recursive: true })
})

test('a new UTS namespace takes a host name and a domain name, and the machine keeps its own', () => {
  const script = `
    import { unshare, setHostname, setDomainname } from './src/sys/process.ts'
    import { CLONE_NEWUTS } from './src/sys/constants/sched.ts'
    import { readFileSync } from 'node:fs'
    import { hostname } from 'node:os'
    unshare(CLONE_NEWUTS)
    setHostname('box')
    setDomainname('example.test')
    console.log(hostname(), readFileSync('/proc/sys/kernel/domainname', 'utf8').trim())`
  const before = hostname()
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    encoding: 'utf8',
  })
  expect(stdout).toBe('box example.test\n')
  expect(hostname()).toBe(before)
})

test('a pseudo-terminal has the size it was given, and becomes the terminal of a new session', () => {
  const { master, number } = openPty('/')
  setWindowSize(master.number, 31, 97)
  const slave = openSync(`/dev/pts/${number}`, 'r+')
  const script = `
    import { setsid } from './src/sys/process.ts'
    import { setControllingTerminal } from './src/sys/terminal.ts'
    import { closeSync, openSync } from 'node:fs'
    import { WriteStream } from 'node:tty'
    setsid()
    setControllingTerminal(0)
    closeSync(openSync('/dev/tty', 'r+'))
    const [columns, rows] = new WriteStream(1).getWindowSize()
    console.error(rows, columns)`
  const stdio: [number, number, 'pipe'] = [slave, slave, 'pipe']
  const args = ['--input-type=module-typescript', '-e', script]
  const { stderr } = spawnSync(process.execPath, args, { stdio, encoding: 'utf8' })
  expect(stderr).toBe('31 97\n')
  closeSync(slave)
  master.close()
})

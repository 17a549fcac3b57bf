import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { updateContainerFiles, writeContainerFiles } from '../../../src/sandbox/container-files.ts'

const id = 'c1'
const textsOf = (hosts: string) => [
  { name: 'hostname', target: '/etc/hostname', text: 'web\n', readOnly: false },
  { name: 'hosts', target: '/etc/hosts', text: hosts, readOnly: false },
]
let root: string
const at = (name: string): string => join(root, 'containers', id, name)
const read = (name: string): string => readFileSync(at(name), 'utf8')

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'tsnet-files-'))
  await writeContainerFiles(root, id, textsOf('one\n'))
})

afterEach(() => rmSync(root, { recursive: true }))

describe('files of a running container', () => {
  it('are written over in place, so that what is bound to them shows the new text', () => {
    const before = statSync(at('hosts')).ino
    updateContainerFiles(root, id, textsOf('one and two\n'))
    expect(read('hosts')).toBe('one and two\n')
    expect(statSync(at('hosts')).ino).toBe(before)
    updateContainerFiles(root, id, textsOf('three\n'))
    expect(read('hosts')).toBe('three\n')
  })

  it('stay the container’s once it has changed them, be it to as many bytes', () => {
    writeFileSync(at('hosts'), 'eno\n')
    updateContainerFiles(root, id, textsOf('one and two\n'))
    expect(read('hosts')).toBe('eno\n')
  })

  it.each(['F_RDLCK', 'F_WRLCK'])(
    'keep nobody waiting when a program holds a lease on them: %s',
    async (kind) => {
      const script = `use Fcntl; open my $file, '<', $ARGV[0] or die; $SIG{IO} = 'IGNORE'; fcntl $file, 1024, ${kind} or die $!; $| = 1; print 'held'; sleep 60`
      const holder = spawn('perl', ['-e', script, at('hosts')], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(holder, 'exit')
      await Promise.race([once(holder.stdout, 'data'), ended])
      expect(holder.exitCode).toBeNull()
      const began = performance.now()
      updateContainerFiles(root, id, textsOf('one and two\n'))
      // the kernel takes a lease away after 45 s: /proc/sys/fs/lease-break-time
      expect(performance.now() - began).toBeLessThan(20_000)
      holder.kill('SIGKILL')
      await ended
      expect(read('hosts')).toBe('one\n')
    },
  )
})

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon

beforeAll(async () => {
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(() => daemon?.stop())

const run = (script: string, ...options: string[]) =>
  daemon.docker('run', '--rm', ...options, 'box', 'sh', '-c', script)

/** What a script prints; its errors are part of it. */
const sh = async (script: string, ...options: string[]): Promise<string> =>
  (await run(`exec 2>&1; ${script}`, ...options)).stdout.trim()

const status = (field: string, ...options: string[]): Promise<string> =>
  sh(`grep "^${field}:" /proc/self/status | cut -f2`, ...options)

describe('capabilities', () => {
  it.each([
    [[], '00000000a80425fb', '00000000a80425fb'],
    [['-u', 'web'], '0000000000000000', '00000000a80425fb'],
    [['--cap-drop', 'ALL'], '0000000000000000', '0000000000000000'],
    [['--cap-drop', 'ALL', '--cap-add', 'NET_BIND_SERVICE'], '0000000000000400', '0000000000000400'],
    [['--cap-add', 'SYS_ADMIN', '--cap-drop', 'CHOWN'], '00000000a82425fa', '00000000a82425fa'],
    [['--cap-add', 'cap_net_admin'], '00000000a80435fb', '00000000a80435fb'],
  ])('with %j are Docker’s: effective %s, bounding %s', async (options, effective, bounding) => {
    expect(await sh('grep -E "^Cap(Eff|Bnd|Inh|Amb):" /proc/self/status | cut -f2', ...options)).toBe(
      ['0000000000000000', effective, bounding, '0000000000000000'].join('\n'),
    )
  })
})

describe('seccomp', () => {
  it('filters by default without switching no_new_privs on', async () => {
    expect(await status('Seccomp')).toBe('2')
    expect(await status('NoNewPrivs')).toBe('0')
  })

  it('forbids namespaces and mounts', async () => {
    expect(await sh('unshare -m true')).toContain('Operation not permitted')
    expect(await sh('mount -t tmpfs t /tmp')).toContain('permission denied')
  })

  it('lets SYS_ADMIN make them', async () => {
    expect(await sh('unshare -m true && echo made', '--cap-add', 'SYS_ADMIN')).toBe('made')
  })

  it('is off when unconfined', async () => {
    expect(await status('Seccomp', '--security-opt', 'seccomp=unconfined')).toBe('0')
  })

  it('goes with no-new-privileges', async () => {
    expect(await status('NoNewPrivs', '--security-opt', 'no-new-privileges')).toBe('1')
    expect(await status('Seccomp', '-u', 'web', '--security-opt', 'no-new-privileges')).toBe('2')
  })
})

describe('a read-only container', () => {
  it('can write nothing but its own temporary file systems', async () => {
    const script =
      'for f in /x /etc/hosts /etc/resolv.conf /proc/sys/kernel/domainname; do echo 1 >> $f || echo no; done; touch /dev/shm/x && echo shm'
    const text = await sh(script, '--read-only')
    expect(text.match(/^no$/gm)).toHaveLength(4)
    expect(text).toMatch(/^shm$/m)
  })

  it('writes to a tmpfs and a volume', async () => {
    expect(
      await sh('touch /t/x /data/x && echo written', '--read-only', '--tmpfs', '/t', '-v', '/data'),
    ).toBe('written')
  })
})

describe('a container', () => {
  it('is process 1 itself, and sees no other process', async () => {
    expect(await sh('echo $$; ls -d /proc/[0-9]*; tr "\\0" " " < /proc/1/cmdline; echo')).toMatch(
      /^1\n\/proc\/1\nsh -c /,
    )
  })

  it.each([
    ['run', async (script: string) => sh(script)],
    ['a terminal', async (script: string) => (await run(script, '-t')).stdout.replaceAll('\r', '').trim()],
  ])('inherits no descriptor from the machine, by %s', async (_way, inside) => {
    expect(await inside('ls /proc/self/fd')).toMatch(/^0\s+1\s+2\s+3$/)
  })

  it('starts with nothing blocked or ignored, and an umask of 022', async () => {
    expect(await sh('exec /bin/cat /proc/self/status')).toMatch(/SigBlk:\t0{16}\nSigIgn:\t0{16}\n/)
    expect(await sh('yes | head -n1; umask')).toBe('y\n0022')
  })

  it('may open /dev/stdout and /dev/stderr again, whoever its user is', async () => {
    const result = await run('echo a > /dev/stdout; echo b > /dev/stderr', '-u', 'web')
    expect(result).toEqual({ code: 0, stdout: 'a\n', stderr: 'b\n' })
    const terminal = await run('echo a > /dev/stdout; echo b > /dev/stderr', '-u', 'web', '-t')
    expect(terminal.stdout).toBe('a\r\nb\r\n')
  })

  it('has the devices of every container and no others', async () => {
    expect((await sh('ls /dev')).split(/\s+/)).toEqual(
      'core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' '),
    )
    expect(await sh('echo x > /dev/full')).toContain('No space left on device')
    expect(await sh('mknod /sda b 8 0 && head -c1 /sda')).toMatch(/Operation not permitted/)
  })

  it('finds what tells about the machine’s kernel empty, and what changes it read-only', async () => {
    expect(await sh('cat /proc/keys /proc/timer_list /proc/interrupts | wc -c')).toBe('0')
    expect(await sh('ls /proc/acpi /sys/firmware | grep -vE ":$|^$"')).toBe('')
    expect(await sh('echo 1 > /proc/sys/kernel/domainname')).toContain('Read-only file system')
    expect(await sh('mkdir /sys/fs/cgroup/memory/x || touch /sys/kernel/x')).toMatch(/Read-only file system/)
  })

  it('sees nothing of the machine’s files, mounts and cgroups', async () => {
    expect(await sh('cut -d: -f3 /proc/self/cgroup | sort -u')).toBe('/')
    expect(await sh('cut -d" " -f5 /proc/self/mountinfo | grep -c /work')).toBe('0')
    expect(await sh('ls /')).not.toMatch(/work|home|root|boot/)
  })

  it('has a kernel setting of its own with --sysctl, and the machine keeps its own', async () => {
    const before = daemon.inNetns('cat', ['/proc/sys/net/ipv4/ip_default_ttl'])
    expect(await sh('cat /proc/sys/net/ipv4/ip_default_ttl', '--sysctl', 'net.ipv4.ip_default_ttl=42')).toBe(
      '42',
    )
    expect(await sh('cat /proc/sys/kernel/msgmax', '--sysctl', 'kernel.msgmax=4096')).toBe('4096')
    expect(daemon.inNetns('cat', ['/proc/sys/net/ipv4/ip_default_ttl'])).toBe(before)
  })
})

describe('what the image or the container has for a file', () => {
  it.each([
    ['a FIFO', 'rm /etc/passwd; mkfifo /etc/passwd'],
    ['a device without an end', 'ln -sf /dev/zero /etc/passwd'],
  ])('is %s where users are looked up, and nobody is kept waiting', async (_what, script) => {
    await daemon.docker('run', '-d', '--name', 'odd', 'box', 'sh', '-c', `${script}; sleep 60`)
    const { stdout } = await daemon.docker('exec', 'odd', 'echo', 'in')
    await daemon.docker('rm', '-f', 'odd')
    expect(stdout).toBe('in\n')
  })

  it('leads its terminal nowhere else when /dev is a link', async () => {
    const root = mkdtempSync(join(tmpdir(), 'tsnet-link-'))
    mkdirSync(join(root, 'bin'))
    cpSync('/bin/busybox', join(root, 'bin/busybox'))
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync('/elsewhere', join(root, 'dev'))
    const input = execFileSync('tar', ['-C', root, '-cf', '-', '.'], { maxBuffer: 64 << 20 })
    rmSync(root, { recursive: true })
    await daemon.dockerWith({ input }, 'import', '-', 'linked')
    await daemon.docker('run', '-dt', '--name', 'odd', 'linked', '/bin/busybox', 'tty')
    expect(await daemon.docker('wait', 'odd')).toMatchObject({ code: 0, stdout: '0\n' })
    expect((await daemon.docker('logs', 'odd')).stdout).toContain('/0')
    await daemon.docker('rm', 'odd')
  })

  it('is as large as it likes, and is left alone when the container joins a network', async () => {
    await daemon.docker('network', 'create', 'mynet')
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'odd',
      'box',
      'sh',
      '-c',
      'truncate -s 3G /etc/hosts; sleep 60',
    )
    while ((await daemon.docker('exec', 'odd', 'stat', '-c', '%s', '/etc/hosts')).stdout !== '3221225472\n');
    expect(await daemon.docker('network', 'connect', 'mynet', 'odd')).toMatchObject({ code: 0, stderr: '' })
    await daemon.docker('rm', '-f', 'odd')
    await daemon.docker('network', 'rm', 'mynet')
  })
})

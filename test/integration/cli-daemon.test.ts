import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { repository } from '../helpers/daemon.ts'

/**
 * Runs a script as root of a machine where no tsnet has ever run: own network, own processes, nothing in /run and /var. The
 * daemon that comes up there ends with the script.
 */
async function onFreshMachine(script: string) {
  const prepared = `
    set -e
    for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $place; done
    ip link set lo up
    unset TSNET_HOST DOCKER_HOST
    tsnet() { "$repository/tsnet" "$@"; }
    set +e
    ${script}`
  const namespaces = [
    '--net',
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ]
  const child = spawn('unshare', [...namespaces, 'sh', '-c', prepared], {
    env: { ...process.env, repository },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr }
}

// The pattern does not match itself in the command line of grep or of the shell.
const listDaemons = "grep -lz 'daemon[.]mjs' /proc/[0-9]*/cmdline 2>/dev/null"
const countDaemons = `${listDaemons} | wc -l`

describe('without a daemon', () => {
  test('the first command of root starts one, which stays', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      tsnet network ls --format '{{.Name}}'; echo "status $?"
      tsnet ps -q; ${countDaemons}; ls /run/tsnet/tsnet.sock; test -s /var/log/tsnet.log && echo logged`)
    expect(stderr).toBe('')
    expect(stdout).toBe('bridge\nhost\nnone\nstatus 0\n1\n/run/tsnet/tsnet.sock\nlogged\n')
  })

  test('it may be called by a relative path, and leaves nothing where it was called', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      ls -a / >/run/before; mkdir /run/here; cd /run/here; ln -s "$repository" clone
      clone/tsnet volume create relative; ls -a; ls -a / | diff /run/before -`)
    expect([stdout, stderr]).toEqual(['relative\n.\n..\nclone\n', ''])
  })

  test('what the first command has to send arrives whole', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      mkdir /run/root; head -c 5000000 /dev/urandom >/run/root/bytes
      tar -C /run/root -c . | tsnet import - sent:1 | tail -1 | cut -c 1-7
      tsnet images --format '{{.Repository}} {{.Size}}'`)
    expect([stdout, stderr]).toEqual(['sha256:\nsent 5MB\n', ''])
  })

  test('three first commands at once end up with one', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      for i in 1 2 3; do tsnet volume create same & pids="$pids $!"; done
      for pid in $pids; do wait $pid; done
      ${countDaemons}`)
    expect([stdout, stderr]).toEqual(['same\nsame\nsame\n1\n', ''])
  })

  test('a socket that nobody listens on any more is no obstacle', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      tsnet ps -q
      daemon=$(${listDaemons} | cut -d/ -f3); kill -KILL $daemon
      while [ -d /proc/$daemon ] && ! grep -q 'State:.Z' /proc/$daemon/status 2>/dev/null; do :; done
      ls /run/tsnet/tsnet.sock; tsnet volume create again`)
    expect([stdout, stderr]).toEqual(['/run/tsnet/tsnet.sock\nagain\n', ''])
  })

  test('one that cannot start is shown with its last words', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      mount -o remount,ro /var/lib; tsnet ps; echo "status $?"`)
    expect(stdout).toBe('status 1\n')
    expect(stderr).toMatch(
      /^the tsnet daemon ended while it was starting; the last lines of \/var\/log\/tsnet\.log:\n.*mkdir '\/var\/lib\/tsnet'\n$/,
    )
  })

  test('nobody but root starts one', async () => {
    const { stdout, stderr } = await onFreshMachine(`
      mount --bind "$repository" /mnt
      setpriv --reuid 65534 --clear-groups /mnt/tsnet ps; echo "status $?"; ${countDaemons}`)
    expect(stdout).toBe('status 1\n0\n')
    expect(stderr).toBe(
      'no tsnet daemon is running at unix:///run/tsnet/tsnet.sock: start it as root (any tsnet command does), or name another one with -H or TSNET_HOST\n',
    )
  })

  test('none is started in place of one that was named', async () => {
    const { stdout, stderr } = await onFreshMachine(
      `TSNET_HOST=unix:///run/other.sock tsnet ps; ${countDaemons}`,
    )
    expect(stdout).toBe('0\n')
    expect(stderr).toBe(
      'Cannot connect to the tsnet daemon at unix:///run/other.sock. Is the tsnet daemon running?\n',
    )
  })
})

/** Ports of SCTP, on a kernel that has it: runs in the guest of test/vm/run. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

/** Node has no SCTP; whoever runs these tests has Perl, as Debian's base system does. */
const server = `
use Socket qw(:DEFAULT inet_pton inet_ntop); my $proto = 132; socket(S, AF_INET6, SOCK_STREAM, $proto) or die "socket: $!";
bind(S, sockaddr_in6($ARGV[0], inet_pton(AF_INET6, '::'))) or die "bind: $!"; listen(S, 5) or die "listen: $!";
$| = 1; print "up\\n";
while (my $peer = accept(C, S)) { my (undef, $address) = sockaddr_in6($peer); my $text = inet_ntop(AF_INET6, $address);
  $text =~ s/^::ffff://; send(C, $text, 0); close(C); }`

const client = `
use Socket qw(:DEFAULT inet_pton inet_ntop); my ($host, $port) = @ARGV; my $six = $host =~ /:/; $SIG{ALRM} = sub { print "nothing"; exit }; alarm 20;
socket(S, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 132) or die "socket: $!";
connect(S, $six ? sockaddr_in6($port, inet_pton(AF_INET6, $host)) : sockaddr_in($port, inet_aton($host))) or do { print "$!"; exit };
recv(S, my $answer, 100, 0); print $answer;`

describe.each(['nftables', 'iptables'])('SCTP with the %s backend', (backend) => {
  let daemon: TestDaemon
  let tsnet: TestClient
  const out = 'sctp-out'

  beforeAll(async () => {
    daemon = await TestDaemon.start(['--firewall-backend', backend])
    tsnet = new TestClient(daemon)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    execFileSync('ip', ['netns', 'add', out])
    for (const command of [
      `link add up0 netns ${daemon.netns} type veth peer name out0 netns ${out}`,
      `-n ${daemon.netns} addr add 192.0.2.1/24 dev up0`,
      `-n ${daemon.netns} link set up0 up`,
      `-n ${out} addr add 192.0.2.2/24 dev out0`,
      `-n ${out} link set out0 up`,
    ]) {
      execFileSync('ip', command.split(' '))
    }
  })
  afterAll(async () => {
    execFileSync('ip', ['netns', 'del', out])
    await daemon.stop()
  })

  test('is published like the others, and keeps the client’s address', async () => {
    const system = ['/lib', '/lib64', '/usr'].flatMap((path) => ['-v', `${path}:${path}:ro`])
    await tsnet.docker(
      ...['run', '-d', '--name', 'web', '-p', '9000:9000/sctp', ...system],
      ...['box', '/usr/bin/perl', '-e', server, '9000'],
    )
    await expect.poll(() => tsnet.docker('logs', 'web'), { timeout: 60_000 }).toContain('up')
    const ask = (netns: string, address: string) =>
      execFileSync('ip', ['netns', 'exec', netns, 'perl', '-e', client, address, '9000'], {
        encoding: 'utf8',
      })
    expect(ask(out, '192.0.2.1')).toBe('192.0.2.2')
    expect(ask(daemon.netns, '192.0.2.1')).toMatch(/^\d/)
    expect(await tsnet.docker('port', 'web')).toBe('9000/sctp -> 0.0.0.0:9000')
    expect(await tsnet.refusal('run', '--rm', '-p', '9000:9000/sctp', 'box', 'true')).toContain(
      'port is already allocated',
    )
    await tsnet.remove('web')
    expect(ask(out, '192.0.2.1')).not.toMatch(/^\d/)
  })
})

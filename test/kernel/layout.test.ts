/**
 * Every structure layout and every constant of the project against what the C compiler makes of the kernel's headers.
 * Needs cc and the headers (Debian: gcc, libc6-dev, linux-libc-dev); without them it fails.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ifaddrmsg } from '../../src/netlink/address.ts'
import { nlattr } from '../../src/netlink/attribute.ts'
import { nfgenmsg } from '../../src/netlink/conntrack.ts'
import { genlmsghdr } from '../../src/netlink/generic.ts'
import { ifinfomsg } from '../../src/netlink/link.ts'
import { nlmsgerr, nlmsghdr } from '../../src/netlink/message.ts'
import { ndmsg } from '../../src/netlink/neighbour.ts'
import { tc_ratespec, tc_tbf_qopt, tcmsg } from '../../src/netlink/qdisc.ts'
import { rtmsg } from '../../src/netlink/route.ts'
import { loop_config, loop_info64 } from '../../src/sys/loop.ts'
import { sockaddr_nl } from '../../src/sys/netlink-socket.ts'
import { sockaddr_ll } from '../../src/sys/packet-socket.ts'
import { fs_disk_quota, fs_quota_statv, fsxattr } from '../../src/sys/quota.ts'
import { sock_filter } from '../../src/sys/socket-filter.ts'

const constantsDirectory = join(import.meta.dirname, '../../src/sys/constants')

/** The headers that declare the constants of each file. A file that is missing here fails the test. */
const headersOf: Readonly<Record<string, readonly string[]>> = {
  bpf: ['linux/bpf.h'],
  capability: ['linux/capability.h'],
  epoll: ['sys/epoll.h'],
  fcntl: ['fcntl.h', 'sys/file.h', 'unistd.h', 'linux/close_range.h', 'linux/openat2.h'],
  fsconfig: ['sys/mount.h', 'linux/mount.h'],
  fs: ['linux/fs.h'],
  genetlink: ['linux/genetlink.h'],
  if: ['linux/if.h'],
  if_addr: ['linux/if_addr.h'],
  if_link: ['linux/if_link.h'],
  if_packet: ['sys/socket.h', 'linux/if_packet.h'],
  ioctls: ['sys/ioctl.h', 'linux/fs.h'],
  loop: ['linux/loop.h'],
  mount: ['sys/mount.h', 'linux/mount.h'],
  neighbour: ['linux/neighbour.h'],
  netlink: ['sys/socket.h', 'linux/netlink.h'],
  nf_tables: ['linux/netfilter/nfnetlink.h', 'linux/netfilter/nf_tables.h'],
  nfnetlink_conntrack: ['linux/netfilter/nfnetlink.h', 'linux/netfilter/nfnetlink_conntrack.h'],
  pkt_sched: ['linux/pkt_sched.h'],
  prctl: ['linux/prctl.h'],
  quota: ['linux/types.h', 'linux/fs.h', 'linux/quota.h', 'linux/dqblk_xfs.h'],
  resource: ['sys/resource.h'],
  rtnetlink: ['linux/rtnetlink.h'],
  sched: ['linux/sched.h'],
  seccomp: ['linux/seccomp.h', 'linux/filter.h', 'linux/audit.h'],
  signal: ['signal.h'],
  socket: ['sys/socket.h', 'netinet/in.h', 'linux/filter.h', 'linux/if_ether.h'],
  stat: ['sys/stat.h', 'dirent.h'],
  unistd: ['sys/syscall.h'],
  veth: ['linux/veth.h'],
  wireguard: ['linux/wireguard.h'],
}

/** Constants whose name or form is not C's: how C writes them. */
const spellings: Readonly<Record<string, (value: never) => Readonly<Record<string, number>>>> = {
  CAPABILITIES: (names: readonly string[]) =>
    Object.fromEntries(names.map((name, number) => [`CAP_${name}`, number])),
  RLIMIT: (limits: Iterable<[string, number]>) =>
    Object.fromEntries([...limits].map(([name, value]) => [`RLIMIT_${name.toUpperCase()}`, value])),
  BPF_RET_K: (value: number) => ({ 'BPF_RET | BPF_K': value }),
  BPF_LD_B_ABS: (value: number) => ({ 'BPF_LD | BPF_B | BPF_ABS': value }),
  BPF_LD_H_IND: (value: number) => ({ 'BPF_LD | BPF_H | BPF_IND': value }),
  BPF_LDX_B_MSH: (value: number) => ({ 'BPF_LDX | BPF_B | BPF_MSH': value }),
  BPF_JMP_JSET_K: (value: number) => ({ 'BPF_JMP | BPF_JSET | BPF_K': value }),
  BPF_LD_H_ABS: (value: number) => ({ 'BPF_LD | BPF_H | BPF_ABS': value }),
  BPF_JMP_JEQ_K: (value: number) => ({ 'BPF_JMP | BPF_JEQ | BPF_K': value }),
  SKF_AD_PROTOCOL_OFFSET: (value: number) => ({ '(unsigned)(SKF_AD_OFF + SKF_AD_PROTOCOL)': value }),
  NLA_TYPE_MASK: (value: number) => ({ 'NLA_TYPE_MASK & 0xffff': value }),
  SOCK_FILTER_BYTES: (value: number) => ({ 'sizeof(struct sock_filter)': value }),
}

interface Layout {
  readonly size: number
  readonly align: number
  readonly offsets: Readonly<Record<string, number>>
}

const layouts: readonly { c: string; prefix: string; header: string; layout: Layout }[] = [
  { c: 'struct sock_filter', prefix: '', header: 'linux/filter.h', layout: sock_filter },
  { c: 'struct loop_config', prefix: '', header: 'linux/loop.h', layout: loop_config },
  { c: 'struct loop_info64', prefix: '', header: 'linux/loop.h', layout: loop_info64 },
  { c: 'struct fsxattr', prefix: '', header: 'linux/fs.h', layout: fsxattr },
  { c: 'struct fs_disk_quota', prefix: '', header: 'linux/dqblk_xfs.h', layout: fs_disk_quota },
  { c: 'struct fs_quota_statv', prefix: '', header: 'linux/dqblk_xfs.h', layout: fs_quota_statv },
  { c: 'struct sockaddr_nl', prefix: 'nl_', header: 'linux/netlink.h', layout: sockaddr_nl },
  { c: 'struct sockaddr_ll', prefix: 'sll_', header: 'linux/if_packet.h', layout: sockaddr_ll },
  { c: 'struct nlmsghdr', prefix: 'nlmsg_', header: 'linux/netlink.h', layout: nlmsghdr },
  { c: 'struct nlmsgerr', prefix: '', header: 'linux/netlink.h', layout: nlmsgerr },
  { c: 'struct nlattr', prefix: 'nla_', header: 'linux/netlink.h', layout: nlattr },
  { c: 'struct ifinfomsg', prefix: 'ifi_', header: 'linux/rtnetlink.h', layout: ifinfomsg },
  { c: 'struct ifaddrmsg', prefix: 'ifa_', header: 'linux/if_addr.h', layout: ifaddrmsg },
  { c: 'struct rtmsg', prefix: 'rtm_', header: 'linux/rtnetlink.h', layout: rtmsg },
  { c: 'struct genlmsghdr', prefix: '', header: 'linux/genetlink.h', layout: genlmsghdr },
  { c: 'struct nfgenmsg', prefix: '', header: 'linux/netfilter/nfnetlink.h', layout: nfgenmsg },
  { c: 'struct ndmsg', prefix: 'ndm_', header: 'linux/neighbour.h', layout: ndmsg },
  { c: 'struct tcmsg', prefix: 'tcm_', header: 'linux/rtnetlink.h', layout: tcmsg },
  { c: 'struct tc_ratespec', prefix: '', header: 'linux/pkt_sched.h', layout: tc_ratespec },
  { c: 'struct tc_tbf_qopt', prefix: '', header: 'linux/pkt_sched.h', layout: tc_tbf_qopt },
]

/** What the compiler says these integer expressions are. Throws when cc is missing or does not know one. */
function evaluate(headers: readonly string[], expressions: readonly string[]): Record<string, number> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-layout-'))
  try {
    const source = join(directory, 'layout.c')
    writeFileSync(source, program(headers, expressions))
    execFileSync('cc', ['-D_GNU_SOURCE', '-Wno-overflow', '-o', join(directory, 'layout'), source])
    const output = execFileSync(join(directory, 'layout'), { encoding: 'utf8' }).trim().split('\n')
    return Object.fromEntries(expressions.map((expression, i) => [expression, Number(output[i])]))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function program(headers: readonly string[], expressions: readonly string[]): string {
  const includes = ['stdio.h', 'stddef.h', ...headers].map((header) => `#include <${header}>`)
  const prints = expressions.map((expression) => `  printf("%lld\\n", (long long)(${expression}));`)
  return [...includes, 'int main(void) {', ...prints, '  return 0;', '}', ''].join('\n')
}

/** A file's constants by their C spelling. */
function constantsOf(module: Readonly<Record<string, unknown>>): Record<string, number> {
  const entries = Object.entries(module).map(([name, value]) => {
    const spelling = spellings[name]
    if (spelling !== undefined) return spelling(value as never)
    if (typeof value === 'number' || typeof value === 'bigint') return { [name]: Number(value) }
    throw new Error(`${name} is neither a number nor listed in spellings`)
  })
  return Object.assign({}, ...entries)
}

describe('layouts', () => {
  it.each(layouts)(
    '$c has the size and the offsets that the compiler gives it',
    ({ c, prefix, header, layout }) => {
      const offsets = Object.entries(layout.offsets).filter(([name]) => !name.startsWith('_'))
      const ours = Object.fromEntries([
        [`sizeof(${c})`, layout.size],
        [`_Alignof(${c})`, layout.align],
        ...offsets.map(([name, offset]) => [`offsetof(${c}, ${prefix}${name})`, offset]),
      ])
      expect(offsets.length).toBeGreaterThan(1)
      expect(ours).toEqual(evaluate([header], Object.keys(ours)))
    },
  )
})

describe('constants', () => {
  const files = readdirSync(constantsDirectory).map((file) => basename(file, '.ts'))

  it.each(files)('%s.ts has the values that the compiler finds in the headers', async (file) => {
    const headers = headersOf[file]
    if (headers === undefined) throw new Error(`${file}.ts: say in headersOf which headers it follows`)
    const ours = constantsOf(await import(join(constantsDirectory, `${file}.ts`)))
    expect(Object.keys(ours)).not.toEqual([])
    expect(ours).toEqual(evaluate(headers, Object.keys(ours)))
  })
})

/** From <sys/socket.h>, <netinet/in.h>, <linux/filter.h> and <linux/if_ether.h>. */
export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10
export const AF_NETLINK = 16

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000

export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40

export const IPPROTO_IP = 0
export const IPPROTO_ICMP = 1
export const IPPROTO_UDP = 17
export const IPPROTO_SCTP = 132
export const IPPROTO_IPV6 = 41
export const IPPROTO_ICMPV6 = 58

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_RCVBUF = 8
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_BINDTODEVICE = 25
export const SO_ATTACH_FILTER = 26
export const SO_DETACH_FILTER = 27
export const SO_ATTACH_BPF = 50
export const IP_MTU_DISCOVER = 10
/** Packets are marked not to be cut, and nothing that was heard of the path holds them back. */
export const IP_PMTUDISC_PROBE = 3
export const IP_FREEBIND = 15
export const IPV6_MTU_DISCOVER = 23
export const IPV6_PMTUDISC_PROBE = 3
export const IPV6_V6ONLY = 26
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50

/** BPF_RET | BPF_K */
export const BPF_RET_K = 0x06
/** BPF_LD | BPF_B | BPF_ABS */
export const BPF_LD_B_ABS = 0x30
/** BPF_LD | BPF_H | BPF_IND */
export const BPF_LD_H_IND = 0x48
/** BPF_LDX | BPF_B | BPF_MSH */
export const BPF_LDX_B_MSH = 0xb1
/** BPF_JMP | BPF_JSET | BPF_K */
export const BPF_JMP_JSET_K = 0x45
/** BPF_LD | BPF_H | BPF_ABS */
export const BPF_LD_H_ABS = 0x28
/** BPF_JMP | BPF_JEQ | BPF_K */
export const BPF_JMP_JEQ_K = 0x15
/** Where a filter reads the packet's EtherType: SKF_AD_OFF + SKF_AD_PROTOCOL */
export const SKF_AD_PROTOCOL_OFFSET = 0xfffff000

export const ETH_P_IP = 0x0800

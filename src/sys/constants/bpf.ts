/** <linux/bpf.h> */
export const BPF_PROG_LOAD = 5
export const BPF_PROG_ATTACH = 8
export const BPF_PROG_QUERY = 16
export const BPF_PROG_TYPE_SOCKET_FILTER = 1
export const BPF_PROG_TYPE_CGROUP_DEVICE = 15
export const BPF_CGROUP_DEVICE = 6
export const BPF_F_ALLOW_MULTI = 2

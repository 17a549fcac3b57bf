/** <linux/veth.h> */
export const VETH_INFO_PEER = 1

/** <linux/if.h> */
export const IFF_UP = 0x1
export const IFF_LOOPBACK = 0x8

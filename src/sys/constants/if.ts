/** <linux/if.h> */
export const IFNAMSIZ = 16
export const IFALIASZ = 256

export const IFF_UP = 0x1
export const IFF_BROADCAST = 0x2
export const IFF_LOOPBACK = 0x8
export const IFF_LOWER_UP = 0x10000

/** <linux/if.h> */
export const IFF_UP = 0x1

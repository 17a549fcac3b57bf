/** <linux/neighbour.h> */
export const NDA_DST = 1
export const NDA_LLADDR = 2

export const NUD_REACHABLE = 0x02
export const NUD_STALE = 0x04
export const NUD_FAILED = 0x20
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

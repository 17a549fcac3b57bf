/** <linux/neighbour.h> */
export const NDA_DST = 1
export const NDA_LLADDR = 2
export const NDA_IFINDEX = 8
export const NDA_MASTER = 9

export const NUD_REACHABLE = 0x02
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

export const NTF_SELF = 0x02
export const NTF_MASTER = 0x04
export const NTF_STICKY = 0x40

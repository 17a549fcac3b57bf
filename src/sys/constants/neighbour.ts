/** <linux/neighbour.h> */
export const NDA_DST = 1
export const NDA_LLADDR = 2

export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

export const NTF_MASTER = 0x04

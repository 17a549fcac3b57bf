/** <linux/neighbour.h> */
export const NDA_DST = 1
export const NDA_LLADDR = 2

export const NUD_PERMANENT = 0x80

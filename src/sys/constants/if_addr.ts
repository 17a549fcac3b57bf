/** <linux/if_addr.h> */
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_BROADCAST = 4
export const IFA_FLAGS = 8

export const IFA_F_NODAD = 0x02

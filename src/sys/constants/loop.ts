/** <linux/loop.h> */
export const LO_FLAGS_READ_ONLY = 1
export const LO_FLAGS_AUTOCLEAR = 4
export const LO_FLAGS_DIRECT_IO = 16
export const LO_NAME_SIZE = 64
export const LOOP_SET_CAPACITY = 0x4c07
export const LOOP_CONFIGURE = 0x4c0a
export const LOOP_CTL_GET_FREE = 0x4c82

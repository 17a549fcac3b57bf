/** <linux/genetlink.h> */
export const GENL_ID_CTRL = 0x10

export const CTRL_CMD_GETFAMILY = 3

export const CTRL_ATTR_FAMILY_ID = 1
export const CTRL_ATTR_FAMILY_NAME = 2

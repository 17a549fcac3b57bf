/** <linux/fs.h> */
export const RENAME_NOREPLACE = 1

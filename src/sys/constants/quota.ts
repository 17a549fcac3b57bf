/** <linux/dqblk_xfs.h>, <linux/quota.h>, and what <linux/fs.h> has on projects */
export const Q_XGETQUOTA = 0x5803
export const Q_XSETQLIM = 0x5804
export const Q_XGETQSTATV = 0x5808
export const Q_XGETNEXTQUOTA = 0x5809
export const XQM_PRJQUOTA = 2
export const SUBCMDSHIFT = 8
export const FS_DQUOT_VERSION = 1
export const FS_QSTATV_VERSION1 = 1
export const FS_PROJ_QUOTA = 2
export const FS_QUOTA_PDQ_ENFD = 1 << 5
export const FS_DQ_IHARD = 1 << 1
export const FS_DQ_BHARD = 1 << 3
export const FS_XFLAG_PROJINHERIT = 0x200
export const FS_IOC_FSGETXATTR = 0x801c581f
export const FS_IOC_FSSETXATTR = 0x401c5820

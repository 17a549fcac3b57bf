/**
 * Project quota: limits of directory trees, on xfs and ext4 alike by the calls that began with xfs (quotactl(2),
 * FS_IOC_FSSETXATTR of ioctl_xfs_fsgetxattr(2), <linux/dqblk_xfs.h>). A descriptor stands for the file system it is on: quotactl_fd(2),
 * kernel 5.14.
 */
import {
  FS_DQ_BHARD,
  FS_DQ_IHARD,
  FS_DQUOT_VERSION,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FS_PROJ_QUOTA,
  FS_QSTATV_VERSION1,
  FS_QUOTA_PDQ_ENFD,
  FS_XFLAG_PROJINHERIT,
  Q_XGETNEXTQUOTA,
  Q_XGETQSTATV,
  Q_XGETQUOTA,
  Q_XSETQLIM,
  SUBCMDSHIFT,
  XQM_PRJQUOTA,
} from './constants/quota.ts'
import { SYS_quotactl_fd } from './constants/unistd.ts'
import { errnoName, SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { bytes, i32, struct, u8, u16, u32, u64 } from './layout.ts'
import { check, declare, lastErrno } from './libc.ts'

const nativeIoctl = declare<[number, number, Buffer], number>(
  'int ioctl(int fd, unsigned long request, _Inout_ void *argument)',
)
const nativeQuotactl = declare<[number, number, number, number, Buffer], number>(
  'long syscall(long number, unsigned int fd, unsigned int command, unsigned int id, _Inout_ void *data)',
)

export const fsxattr = struct({
  fsx_xflags: u32,
  fsx_extsize: u32,
  fsx_nextents: u32,
  fsx_projid: u32,
  fsx_cowextsize: u32,
  _pad: bytes(8),
})

export const fs_disk_quota = struct({
  d_version: u8,
  d_flags: u8,
  d_fieldmask: u16,
  d_id: u32,
  d_blk_hardlimit: u64,
  d_blk_softlimit: u64,
  d_ino_hardlimit: u64,
  d_ino_softlimit: u64,
  d_bcount: u64,
  d_icount: u64,
  d_itimer: i32,
  d_btimer: i32,
  d_iwarns: u16,
  d_bwarns: u16,
  _timers: u32,
  _realtime: bytes(40),
})

export const fs_quota_statv = struct({
  qs_version: u8,
  _pad1: u8,
  qs_flags: u16,
  qs_incoredqs: u32,
  _files: bytes(72),
  qs_btimelimit: i32,
  _limits: bytes(20),
  _pad2: u64,
  _pad3: bytes(48),
})

/** Sizes are told in basic blocks. */
const BASIC_BLOCK = 512

/** What a tree may take and takes; 0 is no limit. */
export interface ProjectQuota {
  readonly bytesLimit: number
  readonly bytesUsed: number
  readonly inodesLimit: number
  readonly inodesUsed: number
}

/** Whether limits of projects are enforced on the file system of `fd` (mounted with prjquota). Changes nothing. */
export function enforcesProjectQuota(fd: Fd): boolean {
  const state = fs_quota_statv.encode({ qs_version: FS_QSTATV_VERSION1 })
  if (quotactl(fd, Q_XGETQSTATV, 0, state) < 0) return false
  return (fs_quota_statv.decode(state).qs_flags & FS_QUOTA_PDQ_ENFD) !== 0
}

/** The project of a directory, 0 for none. Throws SyscallError where the file system knows no projects. */
export function projectOf(directory: Fd): number {
  return attributesOf(directory).fsx_projid
}

/** Gives a directory, and all that is made in it afterwards, to a project. */
export function setProject(directory: Fd, id: number): void {
  const present = attributesOf(directory)
  const wanted = fsxattr.encode({
    ...present,
    fsx_projid: id,
    // unsigned: xfs tells its highest bit
    fsx_xflags: (present.fsx_xflags | FS_XFLAG_PROJINHERIT) >>> 0,
  })
  check(nativeIoctl(directory.number, FS_IOC_FSSETXATTR, wanted), 'ioctl', 'FS_IOC_FSSETXATTR')
}

function attributesOf(directory: Fd): ReturnType<typeof fsxattr.decode> {
  const attributes = Buffer.alloc(fsxattr.size)
  check(nativeIoctl(directory.number, FS_IOC_FSGETXATTR, attributes), 'ioctl', 'FS_IOC_FSGETXATTR')
  return fsxattr.decode(attributes)
}

/** Limits what a project may take on the file system of `fd`; 0 takes a limit back. */
export function limitProject(fd: Fd, id: number, limit: { bytes: number; inodes: number }): void {
  const wanted = fs_disk_quota.encode({
    d_version: FS_DQUOT_VERSION,
    d_flags: FS_PROJ_QUOTA,
    d_fieldmask: FS_DQ_BHARD | FS_DQ_IHARD,
    d_id: id,
    d_blk_hardlimit: BigInt(Math.ceil(limit.bytes / BASIC_BLOCK)),
    d_ino_hardlimit: BigInt(limit.inodes),
  })
  check(quotactl(fd, Q_XSETQLIM, id, wanted), 'quotactl', `Q_XSETQLIM of project ${id}`)
}

/** All zeros for a project that nobody uses. */
export function quotaOfProject(fd: Fd, id: number): ProjectQuota {
  const found = Buffer.alloc(fs_disk_quota.size)
  if (quotactl(fd, Q_XGETQUOTA, id, found) < 0) {
    const errno = lastErrno()
    if (errnoName(errno) !== 'ENOENT')
      throw new SyscallError('quotactl', errno, `Q_XGETQUOTA of project ${id}`)
    found.fill(0)
  }
  const quota = fs_disk_quota.decode(found)
  return {
    bytesLimit: Number(quota.d_blk_hardlimit) * BASIC_BLOCK,
    bytesUsed: Number(quota.d_bcount) * BASIC_BLOCK,
    inodesLimit: Number(quota.d_ino_hardlimit),
    inodesUsed: Number(quota.d_icount),
  }
}

/** Whether a project has files or limits: asks for the first such one from this id on (kernel 4.6). */
export function isProjectTaken(fd: Fd, id: number): boolean {
  const next = Buffer.alloc(fs_disk_quota.size)
  if (quotactl(fd, Q_XGETNEXTQUOTA, id, next) >= 0) return fs_disk_quota.decode(next).d_id === id
  const errno = lastErrno()
  if (errnoName(errno) === 'ENOENT') return false
  throw new SyscallError('quotactl', errno, `Q_XGETNEXTQUOTA of project ${id}`)
}

function quotactl(fd: Fd, command: number, id: number, data: Buffer): number {
  const projects = (command << SUBCMDSHIFT) | XQM_PRJQUOTA
  return Number(nativeQuotactl(SYS_quotactl_fd, fd.number, projects, id, data))
}

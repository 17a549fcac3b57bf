/**
 * Loop devices (loop(4)): a file as a block device. Every device here is cleared by the kernel itself when nobody has it open
 * and no file system on it is mounted (LO_FLAGS_AUTOCLEAR), so whoever is killed leaves none behind.
 */
import { constants, existsSync, openSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { constants as osConstants } from 'node:os'
import { basename } from 'node:path'
import { errorMessage, TsnetError } from '../errors.ts'
import {
  LO_FLAGS_AUTOCLEAR,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_READ_ONLY,
  LO_NAME_SIZE,
  LOOP_CONFIGURE,
  LOOP_CTL_GET_FREE,
  LOOP_SET_CAPACITY,
} from './constants/loop.ts'
import { errnoName, errnoText, SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { makeBlockDevice, makeCharacterDevice } from './file.ts'
import { bytes, struct, u32, u64 } from './layout.ts'
import { check, declare, lastErrno } from './libc.ts'

const nativeIoctl = declare<[number, number, Buffer | null], number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
)

export const loop_info64 = struct({
  lo_device: u64,
  lo_inode: u64,
  lo_rdevice: u64,
  lo_offset: u64,
  lo_sizelimit: u64,
  lo_number: u32,
  lo_encrypt_type: u32,
  lo_encrypt_key_size: u32,
  lo_flags: u32,
  lo_file_name: bytes(LO_NAME_SIZE),
  lo_crypt_name: bytes(LO_NAME_SIZE),
  lo_encrypt_key: bytes(32),
  lo_init: bytes(16),
})

export const loop_config = struct({
  fd: u32,
  block_size: u32,
  info: loop_info64,
  _reserved: bytes(64),
})

/** A device with a file behind it. It lives as long as `fd` is open or its file system is mounted. */
export interface LoopDevice {
  /** e.g. `/dev/loop3` */
  readonly path: string
  readonly fd: Fd
}

/** Others take free devices too; whoever loses that many races in a row is not alone with bad luck. */
const ATTEMPTS = 100

/**
 * Puts a free loop device before a file (LOOP_CTL_GET_FREE, LOOP_CONFIGURE: kernel 5.8), with direct I/O where the file's
 * file system has it: what is written is cached once. Throws kind 'unavailable' where no device is to be had, and
 * SyscallError or an error of node:fs when the file is none that a device can be of.
 */
export function attachLoop(file: string, { readOnly = false } = {}): LoopDevice {
  const mode = readOnly ? constants.O_RDONLY : constants.O_RDWR
  using backing = new Fd(openSync(file, mode))
  using control = new Fd(openControl())
  const flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO | (readOnly ? LO_FLAGS_READ_ONLY : 0)
  const config = loop_config.encode({ fd: backing.number })
  config.writeUInt32LE(flags, loop_config.offsets.info + loop_info64.offsets.lo_flags)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const device = openFree(control, mode)
    if (nativeIoctl(device.fd.number, LOOP_CONFIGURE, config) >= 0) return device
    const errno = lastErrno()
    device.fd.close()
    // Somebody was quicker: the next free one.
    if (errno !== osConstants.errno.EBUSY) throw new SyscallError('ioctl', errno, `LOOP_CONFIGURE ${file}`)
  }
  throw noDevice(`each of ${ATTEMPTS} free ones was taken by others before it could be used`)
}

function openFree(control: Fd, mode: number): LoopDevice {
  const number = nativeIoctl(control.number, LOOP_CTL_GET_FREE, null)
  if (number < 0) throw noDevice(`${errnoName(lastErrno())}, ${errnoText(lastErrno())}`)
  const path = `/dev/loop${number}`
  return { path, fd: new Fd(openDevice(path, mode)) }
}

/** <linux/miscdevice.h>; opening it loads the kernel's module. */
const MISC_MAJOR = 10
const LOOP_CTRL_MINOR = 237

function openControl(): number {
  const path = '/dev/loop-control'
  return openNode(path, constants.O_RDWR, () => {
    makeCharacterDevice(path, 0o600, MISC_MAJOR, LOOP_CTRL_MINOR)
  })
}

function openDevice(path: string, mode: number): number {
  return openNode(path, mode, () => {
    const [major = 0, minor = 0] = readFileSync(`/sys/block/${basename(path)}/dev`, 'utf8')
      .split(':')
      .map(Number)
    makeBlockDevice(path, 0o600, major, minor)
  })
}

/** Nobody makes nodes in a container's /dev, nor in any where neither udev nor the module has run yet. */
function openNode(path: string, mode: number, make: () => void): number {
  try {
    if (!existsSync(path)) make()
    return openSync(path, mode)
  } catch (error) {
    throw noDevice(`${path} cannot be opened (${errorMessage(error)}); it needs CONFIG_BLK_DEV_LOOP`)
  }
}

function noDevice(reason: string): TsnetError {
  return new TsnetError('unavailable', 'no-loop-device', `no loop device is to be had: ${reason}`)
}

/**
 * The device that a file has already, in use in whatever mount namespace, or null. Two devices of one file would be two file
 * systems that overwrite each other: take this one before you attach another.
 */
export function openLoopOf(file: string): LoopDevice | null {
  for (const path of loopsOf(file)) {
    const fd = new Fd(openDevice(path, constants.O_RDONLY))
    // Held open from now on: it is still of that file, or it was cleared just before.
    if (loopsOf(file).includes(path)) return { path, fd }
    fd.close()
  }
  return null
}

/** The devices before a file, e.g. `/dev/loop3`; one whose file was renamed is found by the new path. */
export function loopsOf(file: string): readonly string[] {
  const path = realpathSync(file)
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop') && backingFile(name) === path)
    .map((name) => `/dev/${name}`)
}

/** '' for a device that is free, or that was cleared meanwhile. */
function backingFile(name: string): string {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').slice(0, -1)
  } catch {
    return ''
  }
}

/** The device gets the size that its file has now (LOOP_SET_CAPACITY); its file system does not know of it yet. */
export function growLoop(path: string): void {
  using device = new Fd(openSync(path, constants.O_RDONLY))
  check(nativeIoctl(device.number, LOOP_SET_CAPACITY, null), 'ioctl', `LOOP_SET_CAPACITY ${path}`)
}

/** File systems that are mounted nowhere (fsopen(2), kernel 5.2): they go with the last descriptor that leads to them. */
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
} from './constants/fsconfig.ts'
import { SYS_fsconfig, SYS_fsmount, SYS_fsopen } from './constants/unistd.ts'
import { Fd } from './fd.ts'
import { check, declare } from './libc.ts'

const nativeFsopen = declare<[number, string, number], number>(
  'long syscall(long number, const char *filesystem, unsigned int flags)',
)
const nativeFsconfig = declare<[number, number, number, string | null, string | null, number], number>(
  'long syscall(long number, int fd, unsigned int command, const char *key, const char *value, int auxiliary)',
)
const nativeFsmount = declare<[number, number, number, number], number>(
  'long syscall(long number, int fd, unsigned int flags, unsigned int attributes)',
)

/**
 * Opens the file system of `type` on `source`, with options of its own separated by commas. The descriptor is of its root:
 * `/proc/self/fd/N` is the way in, and attachMountTree makes a mount of it. Throws SyscallError.
 */
export function mountDetached(type: string, source: string, options: string): Fd {
  const detail = `${type} of ${source}`
  using context = new Fd(check(Number(nativeFsopen(SYS_fsopen, type, FSOPEN_CLOEXEC)), 'fsopen', detail))
  const configure = (command: number, key: string | null, value: string | null): void => {
    const result = nativeFsconfig(SYS_fsconfig, context.number, command, key, value, 0)
    check(Number(result), 'fsconfig', key === null ? detail : `${key} of ${detail}`)
  }
  configure(FSCONFIG_SET_STRING, 'source', source)
  for (const option of options.split(',').filter(Boolean)) {
    const [key = '', value] = option.split(/=(.*)/)
    configure(value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value ?? null)
  }
  configure(FSCONFIG_CMD_CREATE, null, null)
  return new Fd(
    check(Number(nativeFsmount(SYS_fsmount, context.number, FSMOUNT_CLOEXEC, 0)), 'fsmount', detail),
  )
}

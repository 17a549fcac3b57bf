/** The library that turns rules for system calls into a filter program (seccomp_init(3) and its siblings). */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { SyscallError } from './errno.ts'
import { check, declare, loadLibrary } from './libc.ts'

const nativeMemfdCreate = declare<[string, number], number>(
  'int memfd_create(const char *name, uint32_t flags)',
)

/** A filter of libseccomp: opaque. */
export type FilterContext = { readonly __brand: 'scmp_filter_ctx' }

/** The functions that are needed, with C's results: 0 or a negative errno, or a number of a system call. */
export interface Libseccomp {
  init(defaultAction: number): FilterContext | null
  release(context: FilterContext): void
  setAttribute(context: FilterContext, attribute: number, value: number): number
  resolveArchitecture(name: string): number
  addArchitecture(context: FilterContext, architecture: number): number
  resolveCall(architecture: number, name: string): number
  addRule(context: FilterContext, action: number, call: number, count: number, conditions: Buffer): number
  exportBpf(context: FilterContext, fd: number): number
}

/** <seccomp.h> */
export const SCMP_FLTATR_CTL_OPTIMIZE = 8
export const SCMP_ARCH_NATIVE = 0
export const SCMP_ARCH_X32 = 0x4000003e
/** What resolveCall answers for a name that it does not know. */
export const __NR_SCMP_ERROR = -1

let library: Libseccomp | null = null

/** Loads the library on first use. Throws TsnetError 'unsupported' where it is not installed. */
export function libseccomp(): Libseccomp {
  library ??= openLibseccomp()
  return library
}

function openLibseccomp(): Libseccomp {
  const handle = loadLibrary('libseccomp.so.2')
  if (handle === null) {
    throw new TsnetError(
      'unsupported',
      'seccomp-library-missing',
      'seccomp profiles need libseccomp.so.2, which is not on this machine: install the package libseccomp2 (Debian, Ubuntu) or libseccomp, or run with --security-opt seccomp=unconfined',
    )
  }
  return {
    init: handle.func('void *seccomp_init(uint32_t action)'),
    release: handle.func('void seccomp_release(void *context)'),
    setAttribute: handle.func('int seccomp_attr_set(void *context, int attribute, uint32_t value)'),
    resolveArchitecture: handle.func('uint32_t seccomp_arch_resolve_name(const char *name)'),
    addArchitecture: handle.func('int seccomp_arch_add(void *context, uint32_t token)'),
    resolveCall: handle.func('int seccomp_syscall_resolve_name_arch(uint32_t token, const char *name)'),
    addRule: handle.func(
      'int seccomp_rule_add_array(void *context, uint32_t action, int call, uint32_t count, const void *conditions)',
    ),
    exportBpf: handle.func('int seccomp_export_bpf(void *context, int fd)'),
  }
}

/** The finished program, a struct sock_filter[]. The library writes to a file only: one in memory. */
export function exportProgram(context: FilterContext): Buffer {
  const fd = check(nativeMemfdCreate('tsnet-seccomp', 0), 'memfd_create')
  try {
    checkLibrary(libseccomp().exportBpf(context, fd), 'seccomp_export_bpf')
    const program = Buffer.alloc(fstatSync(fd).size)
    readSync(fd, program, 0, program.length, 0)
    return program
  } finally {
    closeSync(fd)
  }
}

/** libseccomp returns a negative errno instead of setting it. */
export function checkLibrary(result: number, call: string, detail = ''): void {
  if (result < 0) throw new SyscallError(call, -result, detail)
}

/** Mounts what a volume's options type, o and device name, as mount(8) would. */
import { statSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT, MS_SLAVE } from '../../sys/constants/mount.ts'
import { errnoText, SyscallError } from '../../sys/errno.ts'
import { attachLoop, openLoopOf } from '../../sys/loop.ts'
import { mount } from '../../sys/mount.ts'
import { parseSourceOptions, type SourceOptions } from '../../sys/mount-options.ts'
import { isNetworkType, resolveServer } from './server.ts'

export interface MountSource {
  readonly type: string
  readonly device: string
  /** separated by commas */
  readonly options: string
  readonly target: string
}

/** Throws Docker's sentence, in which secrets are masked; kind 'unavailable' when a server does not answer. */
export async function mountSource(source: MountSource): Promise<void> {
  const resolved = isNetworkType(source.type) ? await resolveServer(source) : source
  const options = parseSourceOptions(resolved.options)
  try {
    mountResolved(resolved, options)
  } catch (error) {
    throw error instanceof SyscallError ? failure(resolved, options, error) : error
  }
}

function mountResolved({ type, device, target }: MountSource, options: SourceOptions): void {
  if (options.flags & MS_BIND) bind(device, target, options)
  else if (isImage(device)) mountImageFile(device, target, type, options)
  else mount(device, target, type, options.flags, options.data)
  if (options.propagation !== 0) mount('', target, '', options.propagation, '')
}

/** The other flags of a bind take effect only when it is mounted again. */
function bind(device: string, target: string, { flags }: SourceOptions): void {
  mount(device, target, 'none', flags, '')
  // What is unmounted here stays where it came from, unless the options say otherwise.
  if (flags & MS_REC) mount('', target, '', MS_SLAVE | MS_REC, '')
  const others = flags & ~(MS_BIND | MS_REC)
  if (others !== 0) mount('', target, '', others | MS_BIND | MS_REMOUNT, '')
}

/** A file that holds a file system is mounted through a loop device, which goes with the mount. */
function isImage(device: string): boolean {
  return device.startsWith('/') && statSync(device, { throwIfNoEntry: false })?.isFile() === true
}

function mountImageFile(file: string, target: string, type: string, { flags, data }: SourceOptions): void {
  const device = openLoopOf(file) ?? attachLoop(file, { readOnly: (flags & MS_RDONLY) !== 0 })
  using _ = device.fd
  mount(device.path, target, type, flags, data)
}

function failure(
  { type, device, target }: MountSource,
  { flags, data }: SourceOptions,
  { errno, errnoName, kind }: SyscallError,
): TsnetError {
  const details = [
    `failed to mount local volume: mount ${device}:${target}`,
    ...(flags === 0 ? [] : [`flags: 0x${flags.toString(16)}`]),
    ...(data === '' ? [] : [`data: ${maskSecrets(data)}`]),
  ].join(', ')
  const hint = errnoName === 'ENODEV' ? `: this kernel has no file system "${type}"` : ''
  return new TsnetError(kind, 'volume-mount', `${details}: ${errnoText(errno)}${hint}`)
}

/** Of cifs: `password` and its other spellings. */
function maskSecrets(options: string): string {
  return options.replace(/\b(pass(?:word)?2?)=[^,]*/gi, '$1=********')
}

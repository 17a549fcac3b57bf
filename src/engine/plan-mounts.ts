/**
 * From all that asks for a mount to the mounts of a container, each target once. What the user names for itself wins over
 * what comes from other containers, and that over anonymous volumes, the image's and the user's own. Pure.
 */
import { TsnetError } from '../errors.ts'
import type { ContainerSpec, ImageRecord, MountPoint, MountRequest } from '../store/records.ts'
import { cleanPath, isWithin } from '../values/path.ts'
import { checkTmpfsOptions } from './mount-options.ts'

/** What mounts depend on beside the request. */
export interface MountSurroundings {
  /** The mounts of other containers that `volumesFrom` brings, each target once. */
  readonly taken: readonly MountPoint[]
  /** Throws for an image that there is not. */
  readonly mountedImage: (ref: string) => ImageRecord
  readonly dataRoot: string
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-container', message)
}

function badConfig(type: string, problem: string): TsnetError {
  return invalid(`invalid mount config for type "${type}": ${problem}`)
}

/** Volumes that have no name yet have name ''; those without a driver are of the one that has the name, or the local one. */
export function planMounts(
  spec: ContainerSpec,
  image: ImageRecord,
  surroundings: MountSurroundings,
): MountPoint[] {
  const mounts = new Map<string, MountPoint>()
  for (const request of spec.mounts.filter(({ syntax }) => syntax !== 'anonymous')) {
    const mount = planMount(request, spec, surroundings)
    if (mounts.has(mount.target)) throw duplicate(request, mount)
    mounts.set(mount.target, mount)
  }
  const anonymous = [
    ...image.config.volumes.map((target) => ({ ...anonymousVolume, target })),
    ...spec.mounts.filter(({ syntax }) => syntax === 'anonymous'),
  ]
  const rest = [...surroundings.taken, ...anonymous.map((request) => planMount(request, spec, surroundings))]
  for (const mount of rest) if (!mounts.has(mount.target)) mounts.set(mount.target, mount)
  return [...mounts.values()]
}

function duplicate({ syntax, target }: MountRequest, mount: MountPoint): TsnetError {
  return invalid(`Duplicate mount point: ${syntax === 'mount' ? target : mount.target}`)
}

/** A mount before anything is said about it. */
export const noMount: MountRequest = {
  type: 'volume',
  source: '',
  target: '',
  readOnly: false,
  createSource: false,
  noCopy: false,
  propagation: '',
  recursion: 'enabled',
  subpath: '',
  idmap: '',
  own: '',
  mode: '',
  consistency: '',
  options: '',
  driver: '',
  driverOptions: {},
  labels: {},
  syntax: 'mount',
}

const anonymousVolume: MountRequest = { ...noMount, syntax: 'image' }

function planMount(
  request: MountRequest,
  spec: ContainerSpec,
  { mountedImage, dataRoot }: MountSurroundings,
): MountPoint {
  const { type, readOnly, createSource, noCopy, recursion, idmap, own, mode, options, syntax } = request
  const target = targetOf(request)
  const common = {
    type,
    target,
    readOnly,
    createSource,
    noCopy,
    recursion,
    idmap,
    own,
    mode,
    options,
    syntax,
  }
  const none = { name: '', source: '', driver: '', propagation: '', subpath: '' } as const
  switch (type) {
    case 'bind':
      return { ...none, ...common, ...bindOf(request, target, dataRoot) }
    case 'volume':
      return { ...none, ...common, name: request.source, ...volumeOf(request, spec) }
    case 'image': {
      const { id } = mountedImage(request.source)
      const subpath = subpathOf(request)
      const propagation = 'rprivate'
      return { ...none, ...common, name: request.source, source: id, readOnly: true, propagation, subpath }
    }
    case 'tmpfs':
      checkTmpfsOptions(options)
      return { ...none, ...common }
  }
}

function targetOf({ type, source, target }: MountRequest): string {
  checkAbsolute(type, target)
  const clean = cleanPath(target)
  if (clean === '/') throw invalid("invalid specification: destination can't be '/'")
  const problem = procProblem(clean, type === 'bind' ? cleanPath(source) : '')
  if (problem !== '') throw badConfig(type, problem)
  return clean
}

function checkAbsolute(type: string, path: string): void {
  if (path.startsWith('/')) return
  throw badConfig(type, `invalid mount path: '${path}' mount path must be absolute`)
}

/** Files of /proc that programs such as lxcfs tell the container's own share of. */
const coverable: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'loadavg',
    'meminfo',
    'slabinfo',
    'stat',
    'swaps',
    'sys/crypto/fips_enabled',
    'sys/kernel/ns_last_pid',
    'uptime',
  ].map((name) => `/proc/${name}`),
)

/** What is wrong with covering /proc, in runc's words: what is read there decides about the safety of much else. */
function procProblem(target: string, bindSource: string): string {
  if (!isWithin(target, '/proc')) return ''
  if (target === '/proc') {
    return bindSource === '/proc' ? '' : `"${target}" cannot be mounted because it is not of type proc`
  }
  const isAllowed = bindSource !== '' && coverable.has(target)
  return isAllowed ? '' : `"${target}" cannot be mounted because it is inside /proc`
}

function bindOf(request: MountRequest, target: string, dataRoot: string) {
  checkAbsolute('bind', request.source)
  const source = cleanPath(request.source)
  return { source, target, propagation: propagationOf(request.propagation, source, dataRoot) }
}

/**
 * A container that sees the data root must let go what is unmounted there, or it would keep volumes busy for ever: mounts
 * below reach it as the host's do.
 */
function propagationOf(
  wanted: MountRequest['propagation'],
  source: string,
  dataRoot: string,
): MountPoint['propagation'] {
  const meets = isWithin(source, dataRoot) || isWithin(dataRoot, source)
  if (!meets) return wanted || 'rprivate'
  if (wanted === '' || wanted === 'rslave' || wanted === 'rshared') return wanted || 'rslave'
  throw invalid(
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: "${dataRoot}", bind mount source: "${source}", propagation: "${wanted}"`,
  )
}

function volumeOf(request: MountRequest, spec: ContainerSpec) {
  const common = request.syntax === 'mount' ? '' : spec.volumeDriver
  return { driver: request.driver || common, subpath: subpathOf(request) }
}

function subpathOf({ subpath }: MountRequest): string {
  const clean = cleanPath(subpath)
  return clean === '.' ? '' : clean
}

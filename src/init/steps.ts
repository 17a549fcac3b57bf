/**
 * The work of init as data: the engine compiles it, init runs it top to bottom and becomes the program. Everything before
 * the 'root' step names paths of the host, everything after it paths of the container.
 */

/** A container's or an exec's way from an idle Node process to the user's program. */
export interface InitPlan {
  readonly steps: readonly Step[]
  readonly program: Program
}

export type Step =
  | OpenStdio
  | JoinNetwork
  | JoinContainer
  | Isolate
  | OpenCgroup
  | CloneSources
  | EnterRoot
  | FillVolumes
  | MountFilesystem
  | AttachSource
  | MakeDevices
  | Terminal
  | SetHostname
  | WriteSysctls
  | HidePaths
  | MakeDirectory
  | LockPaths
  | LockRoot

/** Opens the FIFOs which become 0, 1 and 2. '' stands for /dev/null. With a terminal, none is opened. */
export interface OpenStdio {
  readonly op: 'open-stdio'
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
}

/** setns(2) into a pinned network namespace. */
export interface JoinNetwork {
  readonly op: 'join-network'
  readonly path: string
}

/** Enters the namespaces of a running container but the PID namespace, into which init was born. */
export interface JoinContainer {
  readonly op: 'join-container'
  readonly pid: number
}

/** New mount, UTS and IPC namespaces. The cgroup namespace comes last of all, when the cgroup is joined. */
export interface Isolate {
  readonly op: 'isolate'
}

/** Opens the cgroup.procs files that the program joins just before execve. */
export interface OpenCgroup {
  readonly op: 'open-cgroup'
  readonly files: readonly string[]
  /** Make the joined cgroups the root of a new cgroup namespace. */
  readonly namespace: boolean
}

/** Opens what is mounted later: the trees of host paths are cloned, to be attached inside the root by their index. */
export interface CloneSources {
  readonly op: 'clone-sources'
  readonly sources: readonly MountSource[]
}

export interface MountSource {
  readonly type: 'bind' | 'volume' | 'image'
  /** On the host; of an image its reference. */
  readonly path: string
  /** image: below the root's `layersDir`, top first */
  readonly layers: readonly string[]
  /** What is shown of it, '' for all. */
  readonly subpath: string
  /** Makes a missing directory, owned so. */
  readonly make: Owner | null
  /** The mounts below come along. */
  readonly recursive: boolean
  readonly propagation: Propagation
  readonly mapping: OwnerMapping | null
}

/** Owners are seen otherwise than they are on disk. */
export interface OwnerMapping {
  /** Path of a user namespace that has the mapping. */
  readonly userNamespace: string
  /** Who on disk is seen as root: gets a volume's directory that is empty and root's own. null leaves it. */
  readonly root: Owner | null
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Propagation {
  /** MS_PRIVATE, MS_SLAVE or MS_SHARED */
  readonly flag: number
  /** Of the mounts below too. */
  readonly recursive: boolean
  /** A source that does not propagate is refused. */
  readonly required: boolean
}

/** Mounts the overlay and makes it the root (pivot_root(2)); the host's tree is gone from here on. */
export interface EnterRoot {
  readonly op: 'root'
  /** Directory to which `lower` is relative: overlayfs takes one page of options. */
  readonly layersDir: string
  /** top first */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
  readonly merged: string
}

export interface MountFilesystem {
  readonly op: 'mount'
  readonly type: string
  readonly source: string
  readonly target: string
  readonly flags: number
  readonly data: string
}

/** Before anything is attached: repairs what a kill left in volumes, and gives the empty ones what the image has at their targets. */
export interface FillVolumes {
  readonly op: 'fill-volumes'
  readonly volumes: readonly FilledVolume[]
}

export interface FilledVolume {
  readonly index: number
  readonly target: string
  /** Otherwise it is only repaired. */
  readonly fill: boolean
  /** The volume's own directory stays with the owner it has. */
  readonly keepOwner: boolean
}

/** Attaches a source. The target is made as a directory or file, like the source. */
export interface AttachSource {
  readonly op: 'attach'
  readonly index: number
  readonly target: string
  /** How much of it becomes read-only: nothing, the mount itself, or the mounts below as well. */
  readonly readOnly: '' | 'top' | 'all'
}

/** The device nodes and links of the OCI runtime specification. */
export interface MakeDevices {
  readonly op: 'devices'
}

/** Asks the supervisor for a pseudo-terminal of the container's own devpts, or takes `number`, and makes it 0, 1 and 2. */
export interface Terminal {
  readonly op: 'terminal'
  readonly number: number | null
  readonly console: boolean
}

export interface SetHostname {
  readonly op: 'hostname'
  readonly hostname: string
  readonly domainname: string
}

export interface WriteSysctls {
  readonly op: 'sysctls'
  readonly values: Readonly<Record<string, string>>
}

/** Covers paths with /dev/null or an empty read-only tmpfs; missing ones are passed over. */
export interface HidePaths {
  readonly op: 'hide'
  readonly paths: readonly string[]
}

/** Makes paths read-only; missing ones are passed over. */
export interface LockPaths {
  readonly op: 'lock'
  readonly paths: readonly string[]
}

/** Makes the program's working directory where the image has none. */
export interface MakeDirectory {
  readonly op: 'make-directory'
  readonly path: string
}

/** Makes the root itself read-only. */
export interface LockRoot {
  readonly op: 'lock-root'
}

export interface Program {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly workingDir: string
  /** `user`, `user:group`, `uid:gid` …, resolved by the container's /etc/passwd and /etc/group */
  readonly user: string
  readonly groups: readonly string[]
  /** Names without CAP_. */
  readonly capabilities: readonly string[]
  readonly noNewPrivileges: boolean
  /** The compiled seccomp filter, base64 of struct sock_filter[]; '' for none. */
  readonly seccomp: string
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[]
  readonly oomScoreAdj: number
}

/*
 * The conversation between supervisor and init:
 *
 *   supervisor                    init
 *      │                              waits in its own PID namespace (or the container's)
 *      │── fd 3: InitPlan ──▶         runs the steps
 *      │   ◀── fd 4: {"terminal":true}  only with a terminal: devpts is mounted
 *      │── fd 3: {"terminal":N} ──▶     the supervisor holds the master of /dev/pts/N
 *      │   ◀── fd 4: {"error":…}        something failed; init exits
 *      │   ◀── fd 4: end of file        execve has closed it: the program runs
 *
 * Every message is one line of JSON.
 */
export type InitMessage =
  | { readonly terminal: true }
  | { readonly error: { readonly message: string; readonly exitCode: number } }

/**
 * init's thread is named after what it is at: all that can be learnt of it while the kernel keeps it waiting. `source 3` is
 * the third source, counted from 0, `wait 3` for whoever else fills that, and `copy 3 17` the filling of it, which goes on.
 */
export type Mark = 'source' | 'wait' | 'copy'

/** The exit codes of a start that failed, as in a shell. */
export const exitNotExecutable = 126
export const exitNotFound = 127
/** A failure of tsnet, not of the program. */
export const exitFailed = 128

/** Records that are right in themselves, for tests to change one thing at a time. */
import { planContainer } from '../../../src/engine/plan.ts'
import { TsnetError } from '../../../src/errors.ts'
import type {
  ContainerRecord,
  ContainerSpec,
  ImageConfig,
  ImageRecord,
  MountPoint,
  MountRequest,
  NetworkRecord,
  PortBinding,
} from '../../../src/store/records.ts'
import type { ContainerId, ImageId, NetworkId } from '../../../src/values/id.ts'

export const id = 'c0'.repeat(32) as ContainerId

export function imageWith(config: Partial<ImageConfig>): ImageRecord {
  return {
    id: `sha256:${'1a'.repeat(32)}` as ImageId,
    tags: ['sample:latest'],
    digests: [],
    createdAt: '2026-01-02T03:04:05.000Z',
    architecture: 'amd64',
    os: 'linux',
    author: '',
    comment: '',
    layers: ['bottom', 'top'],
    diffIds: [],
    manifest: '',
    size: 0,
    config: {
      env: [],
      entrypoint: null,
      command: ['sh'],
      workingDir: '',
      user: '',
      exposedPorts: [],
      volumes: [],
      labels: {},
      stopSignal: '',
      argsEscaped: false,
      ...config,
    },
  }
}

export function networkWith(
  change: Partial<NetworkRecord> & Pick<NetworkRecord, 'name'>,
  number = 0,
): NetworkRecord {
  return {
    id: String(number).padStart(64, 'e') as NetworkId,
    driver: 'bridge',
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: false,
    ipamDriver: 'default',
    ipamOptions: {},
    pools: [],
    options: {},
    labels: {},
    createdAt: '2026-01-02T03:04:05.000Z',
    predefined: false,
    givenFamilies: [4, 6],
    configuration: null,
    dnsServers: [],
    configOnly: false,
    configFrom: '',
    ...change,
  }
}

const pool = (subnet: string) => ({ subnet, range: '', gateway: '', auxiliary: {} })

export const networks: readonly NetworkRecord[] = [
  networkWith({ name: 'bridge', predefined: true, pools: [pool('172.17.0.0/16')] }, 1),
  networkWith({ name: 'host', driver: 'host' }, 2),
  networkWith({ name: 'none', driver: 'null' }, 3),
  networkWith({ name: 'back', pools: [pool('10.1.0.0/24'), pool('fd00:1::/64')] }, 4),
  networkWith({ name: 'front', pools: [pool('10.2.0.0/24')] }, 5),
  networkWith({ name: 'chosen', givenFamilies: [], pools: [pool('10.3.0.0/24')] }, 6),
]

export function findSample(ref: string): NetworkRecord {
  const name = ref === 'default' ? 'bridge' : ref
  const found = networks.find((network) => network.name === name || network.id === name)
  if (found === undefined) throw new TsnetError('not-found', 'no-such-network', `network ${ref} not found`)
  return found
}

export function idOf(name: string): NetworkId {
  return findSample(name).id
}

export const mountRequest: MountRequest = {
  type: 'volume',
  source: 'data',
  target: '/data',
  readOnly: false,
  createSource: false,
  noCopy: false,
  recursion: 'enabled',
  subpath: '',
  idmap: '',
  own: '',
  mode: '',
  consistency: '',
  propagation: '',
  options: '',
  driver: '',
  driverOptions: {},
  labels: {},
  syntax: 'mount',
}

export const port: PortBinding = {
  protocol: 'tcp',
  containerPort: 80,
  hostAddress: '',
  hostInterface: '',
  sources: [],
  hostPolicy: '',
  hostPort: 8080,
  hostPortEnd: 8080,
  count: 1,
}

export const spec: ContainerSpec = {
  image: 'sample',
  entrypoint: null,
  command: null,
  env: [],
  workingDir: '',
  user: '',
  hostname: '',
  domainname: '',
  labels: {},
  tty: false,
  consoleSize: [0, 0],
  openStdin: false,
  stdinOnce: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  stopSignal: '',
  stopTimeout: null,
  exposedPorts: [],
  autoRemove: false,
  networkMode: 'default',
  endpoints: {},
  ports: [],
  publishAll: false,
  egress: null,
  mounts: [],
  volumesFrom: [],
  volumeDriver: '',
  resources: {
    memory: 0,
    memorySwap: 0,
    memoryReservation: 0,
    nanoCpus: 0,
    cpuShares: 0,
    cpuPeriod: 0,
    cpuQuota: 0,
    cpusetCpus: '',
    cpusetMems: '',
    pidsLimit: 0,
  },
  readOnlyRootfs: false,
  capAdd: [],
  capDrop: [],
  noNewPrivileges: false,
  seccomp: 'unconfined',
  ulimits: [],
  sysctls: {},
  shmSize: 67_108_864,
  dnsServers: [],
  dnsSearch: [],
  dnsOptions: [],
  extraHosts: [],
  groupAdd: [],
  oomScoreAdj: 0,
}

/** Any image but `missing` is there. */
function findSampleImage(ref: string): ImageRecord {
  if (ref === 'missing') throw new TsnetError('not-found', 'no-such-image', `No such image: ${ref}`)
  return { ...imageWith({}), id: `sha256:${ref}` as ImageId }
}

/** Plans the sample container with changes to its spec and its image; `taken` are other containers' mounts. */
export function plan(
  change: Partial<ContainerSpec> = {},
  config: Partial<ImageConfig> = {},
  taken: readonly MountPoint[] = [],
): ContainerRecord {
  const snapshot = {
    image: imageWith(config),
    network: findSample,
    checkEndpoint: () => {},
    taken,
    mountedImage: findSampleImage,
    dataRoot: '/var/lib/tsnet',
  }
  return planContainer(id, 'web', { ...spec, ...change }, snapshot)
}

import type { ContainerSpec, MountRequest } from '../../../../src/store/records.ts'

/** What a create without any option asks for. */
export const plainSpec: ContainerSpec = {
  image: 'demo',
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
  attachStdout: false,
  attachStderr: false,
  stopSignal: '',
  stopTimeout: null,
  exposedPorts: [],
  autoRemove: false,
  networkMode: 'bridge',
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
  seccomp: 'default',
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

/** A mount of which only what is given matters. */
export function mount(fields: Partial<MountRequest>): MountRequest {
  return {
    type: 'volume',
    source: '',
    target: '',
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
    ...fields,
  }
}

/** What a plan of plainSpec with named volumes alone knows about mounts. */
export const noMounts = {
  taken: [],
  mountedImage: () => {
    throw new Error('no image is mounted')
  },
  dataRoot: '/var/lib/tsnet',
}

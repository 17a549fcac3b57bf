import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Config } from '../../../src/config/config.ts'
import { daemonUsage } from '../../../src/config/flags.ts'
import { loadConfig } from '../../../src/config/load.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** Writes a config file and returns the flag that names it. */
function file(content: unknown): string {
  const path = join(directory, 'daemon.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return `--config-file=${path}`
}

const load = (...argv: string[]): Config | null => loadConfig([file({}), ...argv])
const loadFile = (content: unknown, ...argv: string[]): Config | null => loadConfig([file(content), ...argv])

const tls = ['--tlscacert=/ca', '--tlscert=/cert', '--tlskey=/key']

const defaultNetwork = {
  bridge: '',
  bip: '',
  bip6: '',
  fixedCidr: '',
  fixedCidr6: '',
  gateway4: '',
  gateway6: '',
  ipv6: false,
  icc: true,
  masquerade: true,
  hostAddress: '',
  mtu: 0,
}

describe('settings', () => {
  test('are these when nothing is given', () => {
    expect(load()).toEqual({
      dataRoot: '/var/lib/tsnet',
      execRoot: '/run/tsnet',
      hosts: ['unix:///run/tsnet/tsnet.sock'],
      tls: null,
      network: defaultNetwork,
      networkDefaults: {},
      addressPools: [],
      dns: [],
      hostGatewayIps: [],
      dnsHostListen: '',
      dnsSearch: [],
      dnsOptions: [],
      logLevel: 'info',
      metrics: null,
      pidfile: '',
      directRouting: false,
      userlandProxy: true,
      cni: { configurations: '/etc/cni/net.d', programs: ['/opt/cni/bin', '/usr/lib/cni'] },
      cluster: '',
      advertise: '',
      nodeName: hostname(),
      pluginDirectories: [],
      trash: { age: 86_400_000, space: 0.1 },
      drivers: { directory: '/etc/tsnet/drivers', files: [] },
      firewallBackend: 'auto',
      initPool: 2,
    })
  })

  test('come from flags, lists by repeating', () => {
    const argv = [
      ...['--data-root', '/d', '--exec-root', '/e', '-H', 'unix:///a', '--host', 'tcp://127.0.0.1:2376'],
      ...[...tls, '--bip=10.9.0.1/24', '--default-address-pool', 'base=10.10.0.0/16,size=24'],
      ...['--default-address-pool=size=64,base=fd00::/48', '--dns', '1.1.1.1', '--dns', 'fd00::53'],
      ...['--dns-search', 'a.example', '--dns-search', 'b.example', '--dns-opt', 'ndots:2'],
      ...['--dns-host-listen=127.0.0.54', '--host-gateway-ip', '10.9.0.7'],
      ...[
        '--driver-dir=/drivers',
        '--plugin-dir=/plugins',
        '--cni-conf-dir=/cni',
        '--cni-bin-dir=/bin1',
        '--cni-bin-dir=/bin2',
        '--driver=/a.ts',
        '--driver=/b',
        ...['--cluster', 'etcd://10.0.0.1:2379?ttl=5', '--advertise=eth1', '--node-name=h1'],
        '--volume-trash-age',
        '1h30m',
        '--volume-trash-space',
        '0%',
      ],
      ...[
        '-l',
        'debug',
        '-p',
        '/pid',
        '--metrics-addr=[::1]:9323',
        '--firewall-backend',
        'nftables',
        '--init-pool',
        '0',
        '--userland-proxy=false',
        '--allow-direct-routing',
      ],
    ]
    expect(load(...argv)).toEqual({
      dataRoot: '/d',
      execRoot: '/e',
      hosts: ['unix:///a', 'tcp://127.0.0.1:2376'],
      tls: { ca: '/ca', cert: '/cert', key: '/key' },
      network: { ...defaultNetwork, bip: '10.9.0.1/24' },
      networkDefaults: {},
      addressPools: [
        { base: '10.10.0.0/16', size: 24 },
        { base: 'fd00::/48', size: 64 },
      ],
      dns: ['1.1.1.1', 'fd00::53'],
      hostGatewayIps: ['10.9.0.7'],
      dnsHostListen: '127.0.0.54',
      dnsSearch: ['a.example', 'b.example'],
      dnsOptions: ['ndots:2'],
      logLevel: 'debug',
      metrics: { host: '::1', port: 9323 },
      pidfile: '/pid',
      directRouting: true,
      userlandProxy: false,
      trash: { age: 5_400_000, space: 0 },
      drivers: { directory: '/drivers', files: ['/a.ts', '/b'] },
      cni: { configurations: '/cni', programs: ['/bin1', '/bin2'] },
      cluster: 'etcd://10.0.0.1:2379?ttl=5',
      advertise: 'eth1',
      nodeName: 'h1',
      pluginDirectories: ['/plugins'],
      firewallBackend: 'nftables',
      initPool: 0,
    })
  })

  test('serve metrics at an address as Go writes them, and at no other', () => {
    expect(load('--metrics-addr=:9323')?.metrics).toEqual({ host: '', port: 9323 })
    expect(load('--metrics-addr=localhost:0')?.metrics).toEqual({ host: 'localhost', port: 0 })
    expect(loadFile({ 'metrics-addr': '10.0.0.1:80' })?.metrics).toEqual({ host: '10.0.0.1', port: 80 })
    for (const wrong of [
      '9323',
      '127.0.0.1',
      '127.0.0.1:99999',
      '::1:9323',
      '[::1]',
      '[10.0.0.1]:1',
      'http://a:1',
    ])
      expect(() => load(`--metrics-addr=${wrong}`)).toThrow(`--metrics-addr "${wrong}" must be ADDRESS:PORT`)
  })

  test('answer the host’s questions for names at one address of its own, not at all of them', () => {
    for (const right of ['127.0.0.54', '10.0.0.1', '::1', 'fd00::1'])
      expect(load(`--dns-host-listen=${right}`)?.dnsHostListen).toBe(right)
    for (const wrong of [
      '0.0.0.0',
      '::',
      '224.0.0.251',
      '255.255.255.255',
      'fe80::1',
      '::ffff:0.0.0.0',
      'lo',
    ])
      expect(() => load(`--dns-host-listen=${wrong}`)).toThrow(
        `--dns-host-listen "${wrong}" must be one IP address of the host`,
      )
  })

  test('listen below the exec-root unless told otherwise', () => {
    expect(load('--exec-root=/run/other')?.hosts).toEqual(['unix:///run/other/tsnet.sock'])
  })

  test('come from the file by dockerd’s names', () => {
    const content = {
      'data-root': '/d',
      hosts: ['unix:///a', 'unix:///b'],
      'default-address-pools': [{ base: '10.10.0.0/16', size: 24 }],
      dns: ['1.1.1.1'],
      'dns-opts': ['rotate'],
      'dns-search': ['.'],
      'init-pool': 5,
      tlscacert: '/ca',
      tlscert: '/cert',
      tlskey: '/key',
    }
    expect(loadFile(content)).toMatchObject({
      dataRoot: '/d',
      hosts: ['unix:///a', 'unix:///b'],
      addressPools: [{ base: '10.10.0.0/16', size: 24 }],
      dns: ['1.1.1.1'],
      dnsOptions: ['rotate'],
      dnsSearch: ['.'],
      initPool: 5,
      tls: { ca: '/ca' },
    })
  })

  test('of a flag go over those of the file, others stay', () => {
    const content = { 'data-root': '/file', 'log-level': 'warn', hosts: ['unix:///file'] }
    expect(loadFile(content, '--data-root=/flag', '-H', 'unix:///flag')).toMatchObject({
      dataRoot: '/flag',
      logLevel: 'warn',
      hosts: ['unix:///flag'],
    })
  })

  test('may be one host in the file', () => {
    expect(loadFile({ host: 'unix:///one' })?.hosts).toEqual(['unix:///one'])
  })
})

describe('help', () => {
  test('is given instead of settings', () => {
    expect(loadConfig(['--help'])).toBeNull()
    expect(loadConfig(['-h', '--data-root=/x'])).toBeNull()
  })

  test('names every flag', () => {
    const known = /known are (.*)$/.exec(messageOf(() => loadFile({ nothing: 1 })))?.[1]?.split(', ') ?? []
    expect(known.length).toBeGreaterThan(10)
    for (const name of known) expect(daemonUsage).toContain(`--${name}`)
  })
})

function messageOf(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

describe('flags are refused', () => {
  test.each([
    [['--colour=red'], "Unknown option '--colour'"],
    [['--data-root'], "Option '--data-root <value>' argument missing"],
    [['start'], "Unexpected argument 'start'"],
    [['--log-level=loud'], '--log-level "loud" is unknown: give trace, debug, info, warn, error, fatal'],
    [['--firewall-backend=pf'], '--firewall-backend "pf" is unknown: give auto, iptables, nftables'],
    [['--init-pool=-1'], '--init-pool "-1" must be a number from 0 to 64'],
    [['--init-pool=65'], '--init-pool "65" must be a number from 0 to 64'],
    [['--init-pool='], '--init-pool "" must be a number from 0 to 64'],
    [['--init-pool=two'], '--init-pool "two" must be a number from 0 to 64'],
    [['-H', 'http://x'], 'host "http://x" must be unix:///path or tcp://address:port'],
    [['-H', 'unix://relative'], 'host "unix://relative" must be unix:///path or tcp://address:port'],
    [
      ['-H', 'tcp://0.0.0.0:2375'],
      'host "tcp://0.0.0.0:2375" would let anybody in: give --tlscacert, --tlscert and --tlskey, or a unix:// host',
    ],
    [['--tlsverify'], 'tls needs --tlscacert, --tlscert and --tlskey together'],
    [['--tlskey=/key'], 'tls needs --tlscacert, --tlscert and --tlskey together'],
    [
      ['--bip=172.17.0.1'],
      '--bip "172.17.0.1" must be the bridge\'s address with its prefix, e.g. 172.17.0.1/16',
    ],
    [['--bip=172.17.0.0/16'], '--bip "172.17.0.0/16" must be the bridge\'s address'],
    [['--dns=resolver'], '--dns "resolver" must be an IP address'],
    [
      ['--default-address-pool=10.0.0.0/8'],
      'default-address-pool "10.0.0.0/8" must be base=CIDR,size=PREFIX, e.g. base=10.10.0.0/16,size=24',
    ],
    [
      ['--cluster=10.0.0.1:2379'],
      '--cluster "10.0.0.1:2379" must name servers of etcd, e.g. etcd://10.0.0.1:2379,10.0.0.2:2379',
    ],
    [['--cluster=etcd://10.0.0.1', '--node-name=a b'], '--node-name "a b" must be a host\'s name'],
    [['--default-address-pool=base=10.0.0.0/8'], 'must be base=CIDR,size=PREFIX'],
    [['--default-address-pool=base=ten,size=24'], 'must be base=CIDR,size=PREFIX'],
    [['--default-address-pool=base=10.0.0.0/8,size=big'], 'must be base=CIDR,size=PREFIX'],
  ])('%j', (argv, sentence) => {
    expect(() => load(...argv)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'bad-config' }))
    expect(messageOf(() => load(...argv))).toContain(sentence)
  })
})

describe('a config file is refused', () => {
  test.each([
    ['{', 'daemon.json cannot be read: '],
    ['[]', 'daemon.json must hold a JSON object'],
    ['null', 'daemon.json must hold a JSON object'],
    [
      { 'storage-driver': 'btrfs' },
      'daemon.json has the unknown key "storage-driver": known are data-root, ',
    ],
    [{ constructor: 1 }, 'has the unknown key "constructor"'],
    [{ help: true }, 'has the unknown key "help"'],
    [{ 'config-file': '/x' }, 'has the unknown key "config-file"'],
    [{ 'data-root': ['/a'] }, 'has ["/a"] for "data-root": give text'],
    [{ 'log-level': null }, 'has null for "log-level": give text'],
    [{ hosts: { a: 1 } }, 'has {"a":1} for "hosts": give a list'],
    [{ 'init-pool': 1.5 }, '--init-pool "1.5" must be a number from 0 to 64'],
    [
      { 'default-address-pools': [{ base: '10.0.0.0/8' }] },
      'default-address-pool {"base":"10.0.0.0/8"} must be',
    ],
    [{ 'default-address-pools': [null] }, 'default-address-pool null must be'],
  ])('for %j', (content, sentence) => {
    expect(messageOf(() => loadFile(content))).toContain(sentence)
  })

  test('that is named and missing', () => {
    expect(messageOf(() => loadConfig(['--config-file=/nonexistent.json']))).toContain(
      '/nonexistent.json cannot be read: ENOENT',
    )
  })
})

/**
 * Where tsnet answers otherwise about networks, and why. Each line in which two answers differ belongs to the first of these
 * that names it; a line that belongs to none is a fault. docs/differences/networks.md shows them with what the two answered.
 */
import type { Difference } from '../difference.ts'

export const differences: readonly Difference[] = [
  {
    title: 'Inspect tells more of a network',
    reason: 'Docker tells it too since version 28: whether there is IPv4, and the gateway that was chosen.',
    lines:
      /^\+ (.*\.)?(EnableIPv4: true|(IPAM\.)?Config\[0\]\.Gateway: .*)$|^\+ \[0\]\.Gateway: "10\.1\.7\.64"$|^[-+] 10\.1\.3\.0\/24/,
  },
  {
    title: 'Refused at create',
    reason:
      'What can be known when a container is created is refused then, and no container that cannot start is left. Docker creates it ' +
      'and refuses to start it; its client gives its hint only in the first case.',
    lines: /^\+ stderr: See 'docker run --help'\.$/,
  },
  {
    title: 'A refusal has no frame',
    reason:
      'What is wrong is said without the words of the layers that it went through: the driver, the restart, the runtime. Most of all a ' +
      'port that is taken names the container or the process that has it.',
    lines:
      /driver failed programming external connectivity|Cannot restart container|OCI runtime create failed|port is already allocated \(by|all ports are allocated in|^\+ stderr: .*(No such container: ID$|not allowed in host network|failed to bind host port .*held by|invalid MAC address: .* multicast)/,
    steps: [
      'run --rm -p 8',
      'run --rm -p 127',
      'run --rm -p 91',
      'restart -t 0 shared',
      '--mac-address 01:',
      '--sysctl',
    ],
  },
  {
    title: 'Ports wait for their address',
    reason:
      'A container starts when the host has not yet the address that a port is published on, and the port is there as soon as the address is.',
    steps: ['-p 203.0.113.1:8099:80'],
  },
  {
    title: 'Port numbers are checked',
    reason:
      'There is no port 0 and no protocol of any name; a host port 0, as one that is left out, is chosen.',
    steps: ['-p 80:0', '--expose 80/nonsense', "HostConfig.PortBindings}}' random"],
  },
  {
    title: 'Smaller subnets by default',
    reason:
      'A network has room for 253 containers, so that there is room for thousands of networks; Docker has 31.',
    steps: ["network create: docker network inspect --format '{{range .IPAM.Config}}"],
  },
  {
    title: 'Point-to-point subnets',
    reason:
      'A /31 has two usable addresses (RFC 3021), here a gateway and one container; a /32 has one, which a macvlan network without a ' +
      'gateway gives to its container.',
    steps: ['narrow', '-d macvlan -o parent=wan --subnet 10.2.1.0/32'],
  },
  {
    title: 'A subnet of one address',
    reason: 'The refusal says why a bridge can do nothing with it.',
    lines: /failed to allocate gateway \(.*\): No available addresses on this pool/,
  },
  {
    title: 'Subnets that nobody can use',
    reason: 'Loopback, unspecified and multicast addresses are not for containers; the refusal names them.',
    steps: ['--subnet 127.0.0.0/24', '--subnet 0.0.0.0/0'],
  },
  {
    title: 'An overlap is named',
    reason: 'The refusal says with what.',
    lines: /Pool overlaps with other one on this address space/,
  },
  {
    title: 'Who holds an address is named',
    reason:
      'The refusal says who has it: a container, also one that is stopped, the gateway, or the edge of the subnet.',
    lines: /Address already in use/,
  },
  {
    title: 'Pools are checked whole',
    reason:
      'As Docker does since version 25: the bits beyond the prefix must be zero, everything that is wrong is said at once.',
    steps: [
      'network create --subnet 10.2.1.1/24 x',
      'network create --subnet 10.2.1.0 x',
      'network create --subnet 10.2.1.0/33 x',
      'network create --subnet nonsense x',
      '--ip-range 10.2.1.7/25',
    ],
  },
  {
    title: 'Several subnets of a family',
    reason: 'A bridge has as many as are asked for. Docker has them for overlay networks only.',
    steps: ['--subnet 10.2.1.0/24 --subnet 10.2.2.0/24'],
  },
  {
    title: 'Options are checked, unknown ones refused',
    reason:
      'A misspelt option would be without effect and nobody would know. The refusal names the option, what was given and what would be right.',
    steps: [
      'network create -o com.docker.network.',
      'network create -o no.such.option=1',
      'driver-opt=a=b',
      '--driver-opt some.option=1',
      'DriverOpts',
    ],
  },
  {
    title: 'Drivers that are not there',
    reason:
      'It is said at once, with the names of those that are; Docker looks for a plugin for 15 seconds. Networks of several hosts are those of a cluster on etcd, not of a swarm.',
    steps: ['-d nonsense x', 'network create -d overlay x'],
  },
  {
    title: 'Names of networks have a grammar',
    reason:
      "They are parts of domain names, of URLs and of options, so the grammar is that of containers' names.",
    steps: ['names of networks: id=$(docker network create'],
  },
  {
    title: 'Filters say what would be right',
    reason: 'What Docker refuses is refused; the text says what is known.',
    lines: /^[-+] stderr: .*([Ii]nvalid filter|invalid value for filter)/,
  },
  {
    title: 'Dangling networks',
    reason:
      'Those without a running container, as Docker 20.10 documents it; it lists networks in use as well.',
    steps: ['-f dangling='],
  },
  {
    title: 'The default network has its own bridge',
    reason:
      'It is named after the daemon, because tsnet works beside dockerd and beside other daemons of its own. What is as usual is not listed as an option.',
    lines: /com\.docker\.network\.(bridge|driver)\.\w+: "/,
  },
  {
    title: 'Who uses a network is named',
    reason: 'As Docker does since version 28.',
    lines: /network \w+ .*has active endpoints/,
  },
  {
    title: 'Containers have names on the default network',
    reason:
      'Names and the name server 127.0.0.11 are there on every network, so that a program moves from one to another unchanged.',
    steps: [
      'docker exec two nslookup one',
      'network disconnect bridge app',
      'docker run --rm box cat /etc/resolv.conf',
      'docker run --rm --dns 9.9.9.9 --dns-search example.org --dns-opt ndots:2 box',
      'docker run --rm --dns-search . box',
    ],
  },
  {
    title: 'resolv.conf says who wrote it',
    reason: 'Its first line tells where names go that are not those of containers.',
    lines: /^\+ # Written by tsnet\. /,
  },
  {
    title: 'Who is asked for a name owns it',
    reason: 'Answers about containers are authoritative.',
    lines: /^- Non-authoritative answer:/,
  },
  {
    title: 'No variables of links',
    reason: 'A link is a name. Docker does not set the variables either since version 29.',
    lines: /^- DB_/,
  },
  {
    title: 'Addresses are not handed on at once',
    reason:
      'A stopped container keeps its address while others are left, and an address that was given back rests: nobody gets what was meant for ' +
      'another. Docker gives the lowest that is free.',
    steps: ['addresses over restarts'],
  },
  {
    title: 'The first network leads out',
    reason:
      'The way out is chosen for each family by itself, by priority and then by name. Docker 20.10 takes the first network that has both.',
    lines: /default via 10\.10\./,
    steps: ['network connect: docker exec app ip route'],
  },
  {
    title: 'The lowest free name of an interface',
    reason:
      'A container that leaves a network and comes back has the interface that it had; Docker counts on.',
    lines: /\beth\d/,
    steps: ['network connect: docker exec app ip route', 'docker exec dd ls'],
  },
  {
    title: 'Bad addresses are told alike',
    reason:
      'The text is that of Docker since version 25, for run, create and connect, and the refusal says which subnets there are.',
    lines:
      /invalid endpoint settings: |- stderr: .*([Ii]nvalid (IPv[46]|link-local IP|link local IP) address: |Invalid address |is supported on user defined networks only)/,
  },
  {
    title: 'A network of a stopped container',
    reason:
      'A container is on a network from the moment it is told so, running or not: inspect tells which, and a second time is refused.',
    steps: [
      'not running: docker network connect n app',
      "not running: docker inspect -f '{{json .NetworkSettings.Networks}}' app",
    ],
  },
  {
    title: 'One text for one refusal',
    reason:
      'Docker has two texts here, depending on whether the container runs, exists, or is asked for by another command.',
    lines:
      /is not connected to (the )?network n$|endpoint missing not found|No such container: missing|nvalid network mode: /,
  },
  {
    title: 'Network mode default',
    reason: 'Is what it stands for: bridge. Docker says so too since version 26.',
    lines: /^[-+] (default|bridge) bridge$/,
  },
  {
    title: "No sandbox for the host's network",
    reason: 'A container on it has no network namespace of its own, so there is none to name.',
    lines: /^[-+] Sandbox(ID|Key): /,
  },
  {
    title: 'Host names are checked',
    reason: 'One that is none would be found out by programs in the container.',
    steps: ['--hostname -bad-'],
  },
  {
    title: 'hosts follows',
    reason: 'When a container leaves a network, its address there leaves its hosts file.',
    steps: ['docker exec two cat /etc/hosts (2)'],
  },
  {
    title: 'Internal networks lead nowhere',
    reason:
      'A container on one has no default route, as in Docker since version 27; programs learn at once what cannot be reached.',
    steps: ['--network inside box ip route', 'docker exec peer ping'],
  },
  {
    title: 'IPv6 is not switched off',
    reason: 'Loopback has ::1 also where the network has no IPv6, as in Docker since version 26.',
    steps: ['/proc/sys/net/ipv6/conf/all/disable_ipv6'],
  },
  {
    title: 'No addresses, no subnet',
    reason:
      'Who asks for both is told what to leave out. Without a bridge, which needs an address itself, a network can do without.',
    steps: ['--ipam-driver null'],
  },
  {
    title: 'Several macvlan networks on one parent',
    reason: 'As in Docker since version 25, unless one of them is to have it alone.',
    steps: [
      '-o parent=lan0 second',
      'network rm lan second private',
      '-o parent=lan0 -o macvlan_mode=passthru x',
      '-o parent=lan0 -o nonsense=1 x',
    ],
  },
  {
    title: 'Refusals of macvlan and ipvlan name the network',
    reason: 'And what there is to choose from.',
    lines:
      /loopback interface is not|requested \w+ mode|parent interface missing|vlan name missing|vlan id must be/,
  },
  {
    title: 'Ports on macvlan',
    reason: 'They cannot be published, as in Docker; here it is said.',
    lines: /^\+ stderr: WARNING: Published ports are discarded/,
  },
  {
    title: 'A missing network is named',
    reason: 'Docker names it as long as the container was never started, and gives its id from then on.',
    lines: /^[-+] stderr: .*: network (ID|used) not found$/,
  },
  {
    title: 'One event for one disconnect',
    reason: 'Docker tells twice that a running container has left a network.',
    steps: ["events-of 'docker network connect n app && docker network disconnect n app'"],
    lines: /^- disconnect n bridge$/,
  },
  {
    title: 'Short forms in hosts',
    reason: 'As Docker writes them since version 25: `fe00::` and `ff00::` without a zero.',
    lines: /^[-+] (fe|ff)00::0?\s/,
  },
]

import type { Topic } from '../../topic.ts'

export const creating: Topic = {
  title: 'network create',
  script: String.raw`
    docker network create plain
    docker network inspect --format '{{.Driver}} {{.Scope}} {{.Internal}} {{.Attachable}} {{.EnableIPv6}}' plain
    docker network inspect --format '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}' plain
    docker network create -d bridge --subnet 10.1.0.0/24 --ip-range 10.1.0.128/25 --gateway 10.1.0.200 \
      --aux-address printer=10.1.0.130 --aux-address nas=10.1.0.131 pool
    docker network inspect pool
    docker network create --subnet 10.1.1.0/24 --internal --attachable --label a=1 --label b marked
    docker network inspect marked
    docker network create --subnet 10.1.2.0/24 -o com.docker.network.bridge.name=br-x \
      -o com.docker.network.bridge.enable_icc=false -o com.docker.network.bridge.enable_ip_masquerade=false \
      -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 -o com.docker.network.driver.mtu=1400 \
      -o com.docker.network.container_iface_prefix=lan options
    docker network inspect options
    ip -o -4 addr show br-x 2> /dev/null | sed 's/^[0-9]*//'
    docker network create --ipv6 --subnet 10.1.3.0/24 --subnet fd00:1:3::/64 --gateway fd00:1:3::9 both
    docker network inspect --format '{{.EnableIPv6}}{{range .IPAM.Config}}{{println}}{{.Subnet}} {{.Gateway}}{{end}}' both | sort
    docker network create --subnet 10.1.4.0/24 --ipam-driver default --ipam-opt foo=bar managed
    docker network inspect --format '{{json .IPAM}}' managed
    docker network create --subnet 10.1.5.0/31 --gateway 10.1.5.0 narrow
    docker network inspect --format '{{json .IPAM.Config}}' narrow
    docker network create --ipv6 --subnet fd00:1:6::/64 six
    docker network create --subnet 10.1.7.0/24 --ip-range 10.1.7.64/26 ranged
    docker network inspect --format '{{json .IPAM.Config}}' ranged
    docker network create --subnet 10.1.8.0/24 --label a=1 --label a=2 twice
    docker network inspect --format '{{json .Labels}}' twice
    docker network create --scope local --subnet 10.1.9.0/24 scoped
    docker network create -d null nothing
    docker network create -d host hosts
    docker network create --ipam-driver null --subnet 10.1.10.0/24 unmanaged
    docker network create --ipam-driver null unmanaged
    docker network inspect --format '{{json .IPAM}}' unmanaged`,
}

/** What somebody may get wrong; dockerd lets some of it pass, so each is followed by its removal. */
const wrong = `
  --subnet 10.2.0.0/25
  --subnet 10.2.0.0/16
  --subnet 10.2.1.1/24
  --subnet 10.2.1.0
  --subnet 10.2.1.0/33
  --subnet nonsense
  --gateway 10.2.1.1
  --ip-range 10.2.1.0/25
  --aux-address a=10.2.1.1
  --subnet 10.2.1.0/24 --gateway 10.3.0.1
  --subnet 10.2.1.0/24 --gateway nonsense
  --subnet 10.2.1.0/24 --gateway 10.2.1.1 --gateway 10.2.1.2
  --subnet 10.2.1.0/24 --gateway 10.2.1.0
  --subnet 10.2.1.0/24 --gateway 10.2.1.255
  --subnet 10.2.1.0/24 --ip-range 10.3.0.0/25
  --subnet 10.2.1.0/24 --ip-range 10.2.0.0/16
  --subnet 10.2.1.0/24 --ip-range 10.2.1.7/25
  --subnet 10.2.1.0/24 --ip-range nonsense
  --subnet 10.2.1.0/24 --aux-address a=10.3.0.1
  --subnet 10.2.1.0/24 --aux-address a=nonsense
  --subnet 10.2.1.0/24 --aux-address 10.2.1.2
  --subnet 10.2.1.0/24 --aux-address a=10.2.1.1 --gateway 10.2.1.1
  --subnet 10.2.1.0/24 --subnet 10.2.1.128/25
  --subnet 10.2.1.0/24 --subnet 10.2.2.0/24
  --subnet fd00:2::/64
  --ipv6 --subnet fd00:2::/64 --gateway fd00:3::1
  --subnet 127.0.0.0/24
  --subnet 0.0.0.0/0
  --subnet 10.2.1.0/32
  --subnet 10.2.1.1/32 --gateway 10.2.1.1
  --ipv6 --subnet fd00:2::/128
  -d macvlan -o parent=wan --subnet 10.2.1.0/32
  --subnet 10.2.1.0/24 --aux-address a=10.2.1.1
  -d macvlan --subnet 10.2.1.0/24 --gateway 10.2.1.1 --aux-address a=10.2.1.1
  --subnet 192.0.2.0/24
  -d overlay
  --scope swarm
  --config-only
  --config-from missing
  --ingress
  -o com.docker.network.bridge.enable_icc=perhaps
  -o com.docker.network.bridge.enable_ip_masquerade=perhaps
  -o com.docker.network.bridge.inhibit_ipv4=perhaps
  -o com.docker.network.bridge.host_binding_ipv4=nonsense
  -o com.docker.network.driver.mtu=much
  -o com.docker.network.driver.mtu=-1
  -o com.docker.network.bridge.name=a-name-that-is-too-long
  -o com.docker.network.bridge.name=a/b
  -o com.docker.network.bridge.name=lo
  -o no.such.option=1`

export const refusingToCreate: Topic = {
  title: 'network create, refused',
  script: `
    docker network create
    docker network create one two
    docker network create --subnet 10.2.0.0/24 taken
    docker network create taken
    ${wrong.trim().replaceAll(/^ *(.*)$/gm, 'docker network create $1 x && docker network rm x')}
    timeout 5 docker network create -d nonsense x
    docker network create -o com.docker.network.bridge.name=br-y --subnet 10.2.3.0/24 first
    docker network create -o com.docker.network.bridge.name=br-y --subnet 10.2.4.0/24 second`,
}

const names = [
  'default',
  'container',
  'container:x',
  "''",
  "' '",
  "'a b'",
  'a/b',
  '-- -a',
  '.a',
  'a:b',
  'ä',
  '1',
  'A_b-1.2',
]

export const naming: Topic = {
  title: 'names of networks',
  script: `
    docker network create bridge
    docker network create host
    docker network create none
    ${names.map((name) => `id=$(docker network create ${name}) && docker network rm $id`).join('\n')}
    docker network create --subnet 10.4.1.0/24 same
    docker network create --subnet 10.4.2.0/24 Same
    docker network create --subnet 10.4.0.0/24 0123456789abcdef
    docker network inspect --format '{{.Name}}' 0123456789abcdef
    docker network ls --format '{{.Name}}' --filter type=custom`,
}

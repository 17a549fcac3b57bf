import type { Topic } from '../../topic.ts'

export const files: Topic = {
  title: 'files and names in a container',
  script: String.raw`
    docker network create --subnet 10.30.0.0/24 n
    docker network create --subnet 10.30.1.0/24 --internal inside
    docker run --rm --network n --ip 10.30.0.7 --hostname web box cat /etc/hosts
    docker run --rm --network n --ip 10.30.0.7 --hostname web --domainname example.org box cat /etc/hosts
    docker run --rm --network n --hostname web.example.org box sh -c 'hostname; hostname -f; cat /etc/hostname'
    docker run --rm --hostname web --domainname example.org box sh -c 'cat /proc/sys/kernel/domainname; hostname'
    docker run --rm --hostname -bad- box true
    docker run --rm --hostname $(printf %064d 0) box true
    docker run --rm --network host --hostname other box hostname
    docker run --rm --network none --hostname x box cat /etc/hosts
    docker run --rm --network n box cat /etc/resolv.conf
    docker run --rm box cat /etc/resolv.conf
    docker run --rm --network none box cat /etc/resolv.conf
    docker run --rm --network inside box cat /etc/resolv.conf
    docker run --rm --network host box cmp /etc/resolv.conf - < /etc/resolv.conf
    docker run --rm --network n --dns 9.9.9.9 --dns 1.1.1.1 --dns-search example.org --dns-search test \
      --dns-option ndots:2 --dns-option timeout:1 box cat /etc/resolv.conf
    docker run --rm --dns 9.9.9.9 --dns-search example.org --dns-opt ndots:2 box cat /etc/resolv.conf
    docker run --rm --network none --dns 9.9.9.9 box cat /etc/resolv.conf
    docker run --rm --network host --dns 9.9.9.9 box grep -c 9.9.9.9 /etc/resolv.conf
    docker run --rm --dns-search . box cat /etc/resolv.conf
    docker run --rm --dns nonsense box true
    docker run --rm --dns-search 'a b' box true
    docker run --rm --network n --ip 10.30.0.7 --hostname x --add-host db:10.0.0.5 --add-host six:fd00::5 box cat /etc/hosts
    docker run --rm --add-host db box true
    docker run --rm --add-host db:nonsense box true
    docker run --rm --hostname x --add-host up:host-gateway box grep -w up /etc/hosts
    docker run --rm --network host --add-host db:10.0.0.5 box grep -w db /etc/hosts
    docker run -d --name two --network n --hostname two --ip 10.30.0.8 box sleep 600
    docker network connect --ip 10.30.1.8 inside two
    docker exec two cat /etc/hosts
    docker network disconnect n two
    docker exec two cat /etc/hosts
    docker exec two mount | grep ' /etc/' | cut -d ' ' -f 2-3 | sort
    docker exec two sh -c 'echo 10.9.9.9 own >> /etc/hosts; tail -n 1 /etc/hosts'
    docker run --rm box ip -o link show eth0 | grep -o 'mtu [0-9]*'
    docker run --rm --network n box ip route | sed 's/ src.*//'
    docker run --rm --network inside box ip route | sed 's/ src.*//'
    docker run --rm box cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range
    docker run --rm --network n box cat /proc/sys/net/ipv6/conf/all/disable_ipv6 /proc/sys/net/ipv4/ip_forward
    docker run --rm --sysctl net.ipv4.ip_forward=0 box cat /proc/sys/net/ipv4/ip_forward
    docker run --rm --network host --sysctl net.ipv4.ip_forward=0 box true`,
}

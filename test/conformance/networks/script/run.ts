import type { Topic } from '../../topic.ts'

export const running: Topic = {
  title: 'run --network',
  script: `
    docker network create --subnet 10.20.0.0/24 n
    docker run -d --name app --network n box sleep 600
    docker inspect -f '{{json .NetworkSettings}}' app
    docker inspect -f '{{.HostConfig.NetworkMode}}' app
    docker run --rm --network $(docker network inspect -f '{{.Id}}' n) box ip -o -4 addr show eth0 | grep -o 'inet [^ ]*'
    docker run --rm --network none box ls /sys/class/net
    docker run --rm --network none box cat /etc/hosts
    docker run --rm --network host box sh -c 'ls /sys/class/net | grep wan'
    docker run --rm --network missing box true
    docker run --rm --network n --network host box true
    docker run --rm --network n --network n box true
    docker run --rm --network container:missing box true
    docker run --rm --network container: box true
    docker run --rm --network container:app box ip -o -4 addr show eth0 | grep -o 'inet [^ ]*'
    docker run --rm --network container:app box hostname | wc -c
    docker run -d --name shared --network container:app box sleep 600
    docker inspect -f '{{.HostConfig.NetworkMode}} {{json .NetworkSettings.Networks}}' shared
    docker run --rm --network container:app -p 80 box true
    docker run --rm --network container:app --hostname x box true
    docker run --rm --network container:app --dns 1.1.1.1 box true
    docker run --rm --network container:app --add-host a:1.1.1.1 box true
    docker run --rm --network container:app --mac-address 92:00:00:00:00:01 box true
    docker run --rm --network container:app --expose 80 box true
    docker run --rm --network container:app --link app box true
    docker network connect bridge shared
    docker network disconnect n shared
    docker create --name stopped box sleep 600
    docker run --rm --network container:stopped box true
    docker rm -f app
    docker restart -t 0 shared
    docker run --rm --network default box ls /sys/class/net
    docker run -d --name dd --network default box sleep 600
    docker inspect -f '{{.HostConfig.NetworkMode}} {{range $name, $v := .NetworkSettings.Networks}}{{$name}}{{end}}' dd
    docker network disconnect bridge dd
    docker exec dd ls /sys/class/net
    docker network connect n dd
    docker exec dd ls /sys/class/net
    docker run -d --name hh --network host box sleep 600
    docker inspect -f '{{json .NetworkSettings}}' hh
    docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.MacAddress}}{{end}}' host
    docker network connect n hh
    docker network disconnect host hh
    docker run -d --name oo --network none box sleep 600
    docker inspect -f '{{json .NetworkSettings}}' oo
    docker network connect n oo
    docker network disconnect none oo
    docker network connect n oo
    docker exec oo ls /sys/class/net
    docker network disconnect n oo
    docker network connect none oo`,
}

export const addressing: Topic = {
  title: 'run with addresses and names',
  script: `
    docker network create --ipv6 --subnet 10.21.0.0/24 --subnet fd00:21::/64 --aux-address a=10.21.0.9 n
    docker network create plain
    docker run -d --name app --network n --ip 10.21.0.7 --ip6 fd00:21::7 box sleep 600
    docker inspect -f '{{json .NetworkSettings.Networks.n}}' app
    docker run --rm --network n --ip 10.21.0.7 box true
    docker run --rm --network n --ip6 fd00:21::7 box true
    docker run --rm --network n --ip 10.21.0.1 box true
    docker run --rm --network n --ip 10.21.0.9 box true
    docker run --rm --network n --ip 10.21.0.0 box true
    docker run --rm --network n --ip 10.21.0.255 box true
    docker run --rm --network n --ip 10.22.0.7 box true
    docker run --rm --network n --ip nonsense box true
    docker run --rm --network n --ip fd00:21::9 box true
    docker run --rm --network n --ip6 10.21.0.9 box true
    docker run --rm --network n --ip6 fd00:22::1 box true
    docker run --rm --network plain --ip 172.18.0.9 box true
    docker network connect --ip 172.18.0.9 plain app
    docker network create --ipv6 --subnet fd00:22::/64 half
    docker run --rm --network half --ip 10.22.0.7 box true
    docker run --rm --network half --ip6 fd00:22::7 box ip -o -6 addr show eth0 scope global | grep -o 'fd00[^ ]*'
    docker run --rm --ip 172.17.0.9 box true
    docker run --rm --network host --ip 10.21.0.9 box true
    docker run --rm --network none --ip 10.21.0.9 box true
    docker run --rm --network n --mac-address 92:00:00:00:21:01 box cat /sys/class/net/eth0/address
    docker run --rm --mac-address 92:00:00:00:21:02 box cat /sys/class/net/eth0/address
    docker run --rm --mac-address nonsense box true
    docker run --rm --mac-address 92:00:00:00:21 box true
    docker run --rm --mac-address 01:00:00:00:21:01 box true
    docker run --rm --network host --mac-address 92:00:00:00:21:03 box true
    docker run -d --name aliased --network n --ip 10.21.0.66 --ip6 fd00:21::66 --network-alias one --network-alias two box sleep 600
    docker inspect -f '{{json .NetworkSettings.Networks.n.Aliases}}' aliased
    docker exec app nslookup one | sed '1,/^$/d' | sort
    docker exec app nslookup two. | grep '^Address: [1f]' | sort
    docker exec app nslookup aliased | grep '^Address: [1f]' | sort
    docker exec app nslookup 10.21.0.7 | sed '1,/^$/d'
    docker exec app nslookup missing | sed '1,/^$/d'
    docker run --rm --network-alias x box true
    docker run --rm --network host --network-alias x box true
    docker run --rm --network name=n,alias=three,driver-opt=a=b box ls /sys/class/net
    docker run --rm --network name=n,nonsense=1 box true
    docker run --rm --network alias=three box true
    docker stop -t 0 app
    docker inspect -f '{{json .NetworkSettings.Networks.n}}' app
    docker start app
    docker inspect -f '{{.NetworkSettings.Networks.n.IPAddress}}' app
    docker rename app renamed
    docker exec aliased nslookup renamed | grep '^Address: [1f]' | sort
    docker exec aliased nslookup app | sed '1,/^$/d'
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address .IPv6Address}}{{end}}' n | sort`,
}

export const restarting: Topic = {
  title: 'addresses over restarts',
  script: `
    docker network create --subnet 10.23.0.0/24 n
    docker run -d --name one --network n box sleep 600
    docker run -d --name two --network n box sleep 600
    docker run -d --name three --network n box sleep 600
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' n | sort
    docker restart -t 0 two
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' n | sort
    docker stop -t 0 one two
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' n | sort
    docker run -d --name four --network n box sleep 600
    docker start two one
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' n | sort
    docker rm -f three
    docker run -d --name five --network n box sleep 600
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' n | sort`,
}

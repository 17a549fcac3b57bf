import type { Topic } from '../../topic.ts'

const endpoint = `{{with .NetworkSettings.Networks.n}}{{json .IPAMConfig}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`

export const connecting: Topic = {
  title: 'network connect',
  script: `
    docker network create --ipv6 --subnet 10.10.0.0/24 --subnet fd00:10::/64 n
    docker network create --subnet 10.10.1.0/24 m
    docker run -d --name app --network m box sleep 600
    docker network connect --ip 10.10.0.7 --ip6 fd00:10::7 --alias web --alias www n app
    docker inspect -f '${endpoint} {{json .NetworkSettings.Networks.n.Aliases}}' app
    docker exec app ip -o addr show eth1 | grep -o 'inet6* [^f][^ ]*'
    docker exec app ip route
    docker network connect n app
    docker network connect missing app
    docker network connect n missing
    docker network connect host app
    docker network connect none app
    docker network connect bridge app
    docker exec app ls /sys/class/net
    docker network disconnect bridge app
    docker network disconnect n app
    docker network disconnect n app
    docker network disconnect -f n app
    docker network disconnect n missing
    docker network disconnect -f n missing
    docker network disconnect missing app
    docker network disconnect host app
    docker network disconnect none app
    docker network connect --ip 10.11.0.7 n app
    docker network connect --ip nonsense n app
    docker network connect --ip6 nonsense n app
    docker network connect --ip6 fd00:11::7 n app
    docker network connect --ip 10.10.0.1 n app
    docker network connect --ip 10.10.0.0 n app
    docker network connect --ip 10.10.0.255 n app
    docker network connect --ip 172.17.0.9 bridge app
    docker network connect --alias x bridge app && docker network disconnect bridge app
    docker network connect --driver-opt some.option=1 n app && docker network disconnect n app
    docker network connect --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 n app
    docker inspect -f '{{json .NetworkSettings.Networks.n.DriverOpts}}' app
    docker network connect n
    docker network connect
    docker network disconnect n
    docker network disconnect m app
    docker network disconnect n app
    docker exec app ip route
    docker exec app ls /sys/class/net
    docker inspect -f '{{json .NetworkSettings.Networks}}' app
    docker network connect --ip 10.10.1.77 m app
    docker exec app ip route`,
}

export const connectingStopped: Topic = {
  title: 'network connect, not running',
  script: `
    docker network create --subnet 10.12.0.0/24 n
    docker network create --subnet 10.12.1.0/24 m
    docker create --name app --network m box sleep 600
    docker network connect --ip 10.12.0.7 --alias web n app
    docker network connect n app
    docker inspect -f '{{json .NetworkSettings.Networks}}' app
    docker network inspect -f '{{json .Containers}}' n
    docker network connect --ip nonsense bridge app
    docker start app
    docker inspect -f '{{range $name, $value := .NetworkSettings.Networks}}{{$name}} {{.IPAddress}} {{end}}' app
    docker exec app ls /sys/class/net
    docker network disconnect m app
    docker restart -t 0 app
    docker inspect -f '{{range $name, $value := .NetworkSettings.Networks}}{{$name}} {{.IPAddress}} {{end}}' app
    docker stop -t 0 app
    docker inspect -f '{{range $name, $value := .NetworkSettings.Networks}}{{$name}} {{.IPAddress}} {{end}}' app
    docker network disconnect n app
    docker network disconnect n app
    docker inspect -f '{{json .NetworkSettings.Networks}}' app
    docker start app
    docker inspect -f '{{json .NetworkSettings.Networks}}' app
    docker rm -f app
    docker create --name gone --network n box sleep 600
    docker network rm n
    docker start gone
    docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' gone`,
}

export const linking: Topic = {
  title: 'links and link-local addresses',
  script: String.raw`
    docker network create --subnet 10.13.0.0/24 n
    docker run -d --name db --network n box sleep 600
    docker run -d --name app --network n --link db:store --link db box sleep 600
    docker exec app nslookup store | grep '^Address: 1'
    docker exec db nslookup store | sed '1,/^$/d'
    docker inspect -f '{{json .NetworkSettings.Networks.n.Links}} {{json .HostConfig.Links}}' app
    docker run -d --name other box sleep 600
    docker network connect --link db:base n other
    docker exec other nslookup base | grep '^Address: 1'
    docker run --rm --network n --link missing:x box true
    docker run --rm --network n --link : box true
    docker run --rm --network host --link db:x box true
    docker create --name idle box true
    docker run --rm --name linked --link idle:x box true
    docker run --rm --link missing:x box true
    docker run --rm --link app:x box true
    docker create --name linking --link idle box true
    docker start linking
    docker rm idle
    docker start linking
    docker inspect -f '{{json .NetworkSettings.Networks.bridge.Aliases}}' other
    docker run -d --name plain -e KEY=value --expose 5432 box sleep 600
    docker run --rm --link plain:db box sed -n 's/^.*\tdb/db/p' /etc/hosts
    docker run --rm --link plain:db box sh -c 'env | grep ^DB | sort'
    docker run -d --name ll --network n --link-local-ip 169.254.7.7 box sleep 600
    docker exec ll ip -o -4 addr show eth0 | grep -o 'inet 169[^ ]*'
    docker inspect -f '{{json .NetworkSettings.Networks.n.IPAMConfig}}' ll
    docker network create --subnet 10.13.1.0/24 m
    docker network connect --link-local-ip 169.254.8.8 m ll
    docker exec ll ip -o -4 addr show eth1 | grep -o 'inet 169[^ ]*'
    docker exec ll ip route show 169.254.0.0/16
    docker network disconnect m ll
    docker network connect --link-local-ip nonsense m ll
    docker network connect --link-local-ip 10.0.0.1 m ll`,
}

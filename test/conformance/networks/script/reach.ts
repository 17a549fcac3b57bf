import type { Topic } from '../../topic.ts'

const serve = "sh -c 'mkdir -p /var/www; hostname > /var/www/index.html; exec httpd -f -h /var/www'"
/** What the page says, asked from the host or, with `ip netns exec`, from its neighbour. */
const fetch = 'curl -s --max-time 5'
/** The same where nobody is to answer. */
const knock = 'curl -s --max-time 1'
/** The same from within a container, whose wget would need a C library beside it. */
const get = (address: string, port: number) =>
  String.raw`sh -c "printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 ${address} ${port} | tail -n 1"`
const listens = (name: string) => `until docker exec ${name} netstat -lnt | grep -q :80; do sleep 0.1; done`

export const reaching: Topic = {
  title: 'who reaches whom',
  script: `
    docker network create --subnet 10.50.0.0/24 n
    docker network create --subnet 10.50.1.0/24 m
    docker network create --subnet 10.50.2.0/24 -o com.docker.network.bridge.enable_icc=false apart
    docker network create --subnet 10.50.3.0/24 --internal inside
    docker network create --subnet 10.50.4.0/24 -o com.docker.network.bridge.enable_ip_masquerade=false bare
    docker run -d --name web --hostname web --network n --ip 10.50.0.7 -p 8080:80 -p 127.0.0.1:8081:80 box ${serve}
    docker run -d --name near --network n box sleep 600
    docker run -d --name far --network m box sleep 600
    docker run -d --name xx --network apart --ip 10.50.2.7 box sleep 600
    docker run -d --name yy --network apart box sleep 600
    docker run -d --name hid --hostname hid --network inside --ip 10.50.3.7 -p 8082:80 box ${serve}
    docker run -d --name peer --network inside box sleep 600
    docker run -d --name raw --network bare box sleep 600
    ${listens('web')}
    ${listens('hid')}
    ${fetch} http://127.0.0.1:8080/
    ${fetch} http://192.0.2.1:8080/
    ${fetch} http://10.50.0.7/
    ${fetch} http://127.0.0.1:8081/
    ${knock} http://192.0.2.1:8081/
    ${knock} http://127.0.0.1:8082/
    ${fetch} http://10.50.3.7/
    ip netns exec $NEIGHBOUR ${fetch} http://192.0.2.1:8080/
    ip netns exec $NEIGHBOUR ${knock} http://192.0.2.1:8081/
    ip -n $NEIGHBOUR route add 10.50.0.0/16 via 192.0.2.1
    ip netns exec $NEIGHBOUR busybox ping -q -c 1 -W 1 10.50.0.7 | grep received
    ip -n $NEIGHBOUR route del 10.50.0.0/16
    docker exec near ${get('web', 80)}
    docker exec near ping -q -c 1 -W 1 web | grep received
    docker exec near ${get('192.0.2.1', 8080)}
    docker exec web ${get('192.0.2.1', 8080)}
    docker exec far ping -q -c 1 -W 1 10.50.0.7 | grep received
    docker exec far ${get('192.0.2.1', 8080)}
    docker exec far nslookup web | sed '1,/^$/d'
    docker exec far ping -q -c 1 -W 1 10.50.0.1 | grep received
    docker exec yy ping -q -c 1 -W 1 xx | grep received
    docker exec yy ping -q -c 1 -W 1 192.0.2.2 | grep received
    docker exec peer ${get('hid', 80)}
    docker exec peer ping -q -c 1 -W 1 192.0.2.2 | grep received
    docker exec peer ping -q -c 1 -W 1 10.50.0.7 | grep received
    docker exec peer ping -q -c 1 -W 1 192.0.2.1 | grep received
    docker exec near ping -q -c 1 -W 1 10.50.3.7 | grep received
    docker exec near ping -q -c 1 -W 1 192.0.2.2 | grep received
    docker exec raw ping -q -c 1 -W 1 192.0.2.2 | grep received
    docker network connect m near
    docker exec near ping -q -c 1 -W 1 far | grep received
    docker network disconnect m near
    docker exec near ping -q -c 1 -W 1 far | grep received
    docker network connect n peer
    docker exec peer ping -q -c 1 -W 1 192.0.2.2 | grep received
    docker run --rm --network host box ${get('10.50.0.7', 80)}
    docker run --rm --network container:web box ${get('127.0.0.1', 80)}
    docker run --rm --network none box ping -q -c 1 -W 1 127.0.0.1 | grep received
    docker run --rm --network none box ping -q -c 1 -W 1 192.0.2.1 | grep received
    docker rm -f web
    ${fetch} http://127.0.0.1:8080/
    docker exec near nslookup web | sed '1,/^$/d'`,
}

export const reachingDefault: Topic = {
  title: 'the default network',
  script: `
    docker run -d --name one --hostname one -p 8080:80 box ${serve}
    docker run -d --name two box sleep 600
    docker exec two ping -q -c 1 -W 1 $(docker inspect -f '{{.NetworkSettings.IPAddress}}' one) | grep received
    docker exec two nslookup one | grep -c 172.17
    ${listens('one')}
    ${fetch} http://127.0.0.1:8080/
    ${fetch} http://172.17.0.1:8080/
    docker inspect -f '{{with .NetworkSettings.Networks.bridge}}{{json .Aliases}} {{.Gateway}} {{.IPPrefixLen}}{{end}}' two
    docker network inspect -f '{{json .IPAM}}' bridge
    docker network inspect -f '{{json .Options}}' bridge`,
}

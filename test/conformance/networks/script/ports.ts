import type { Topic } from '../../topic.ts'

export const publishing: Topic = {
  title: 'published ports',
  script: String.raw`
    docker create --name app -p 8080:80 -p 8081:81/tcp -p 8053:53/udp -p 127.0.0.1:8082:82 -p 9000-9002:90-92 \
      -p '[::1]:8083:83' -p 8084-8085:84-85/udp box sleep 600
    docker inspect -f '{{json .HostConfig.PortBindings}}' app
    docker inspect -f '{{json .Config.ExposedPorts}}' app
    docker inspect -f '{{json .NetworkSettings.Ports}}' app
    docker port app
    docker start app
    docker inspect -f '{{json .NetworkSettings.Ports}}' app
    docker port app | sort
    docker port app 80
    docker port app 80/tcp
    docker port app 53
    docker port app 53/udp
    docker port app 99
    docker port app nonsense
    docker port app 53/nonsense
    docker port missing
    docker ps --format '{{.Names}} {{.Ports}}'
    docker ps --format 'table {{.Names}}\t{{.Networks}}\t{{.Ports}}'
    docker ps -q --filter publish=8080 | wc -l
    docker ps -q --filter expose=80 | wc -l
    docker ps --filter network=bridge --format '{{.Names}}'
    docker run --rm -p 8080:80 box true
    docker run --rm -p 127.0.0.1:8080:80 box true
    docker run --rm -p 127.0.0.1:8082:82 box true
    docker run --rm -p 8080:80/udp box true
    docker run --rm -p 192.0.2.1:8082:80 box true
    docker run --rm -p 203.0.113.1:8099:80 box true
    busybox nc -l -p 8098 & until busybox netstat -lnt | grep -q :8098; do sleep 0.1; done; docker run --rm -p 8098:80 box true; status=$?; kill $!; exit $status
    docker stop -t 0 app
    docker port app
    docker inspect -f '{{json .NetworkSettings.Ports}}' app
    docker ps -a --format '{{.Names}} {{.Ports}}'
    docker run --rm -p 8080:80 box true
    docker start app
    docker port app 80
    docker rm -f app
    docker run -d --name exposing -P exposing sleep 600
    docker port exposing | sed 's/:[0-9]*$//' | sort
    docker inspect -f '{{.HostConfig.PublishAllPorts}} {{json .Config.ExposedPorts}} {{json .HostConfig.PortBindings}}' exposing
    docker run -d --name silent --expose 7000-7001 exposing sleep 600
    docker port silent
    docker ps --filter name=silent --format '{{.Ports}}'
    docker run -d --name random -p 80 -p 127.0.0.1::81 -p 0:82 box sleep 600
    docker port random | sed 's/:[0-9]*$//' | sort
    docker inspect -f '{{json .HostConfig.PortBindings}}' random
    docker run -d --name ranged -p 9100-9110:80 box sleep 600
    docker run -d --name next -p 9100-9110:80 box sleep 600
    docker port ranged
    docker port next
    docker run --rm -p 9100-9101:80 box true
    docker run --rm -p 8097:80 -p 8097:81 box true
    docker run --rm -p 8096:80 -p 8097:80 box true
    docker run --rm --network none -p 8095:80 box true
    docker run --rm --network host -p 8095:80 box true
    docker network create --internal --subnet 10.40.1.0/24 inside
    docker run -d --name hidden --network inside -p 8095:80 box sleep 600
    docker port hidden
    docker network create --subnet 10.40.2.0/24 -o com.docker.network.bridge.host_binding_ipv4=127.0.0.1 bound
    docker run -d --name bound --network bound -p 8094:80 box sleep 600
    docker port bound
    docker network create --subnet 10.40.3.0/24 late
    docker run -d --name mover --network bound -p 8093:80 box sleep 600
    docker network connect late mover
    docker network disconnect bound mover
    docker port mover`,
}

export const misspellingPorts: Topic = {
  title: 'published ports, refused',
  script: `
    docker run --rm -p '' box true
    docker run --rm -p nonsense box true
    docker run --rm -p 70000:80 box true
    docker run --rm -p 80:70000 box true
    docker run --rm -p 80:0 box true
    docker run --rm -p 1-2:1-3 box true
    docker run --rm -p 2-1:2-1 box true
    docker run --rm -p 8092:80/nonsense box true
    docker run --rm -p nonsense:8092:80 box true
    docker run --rm -p 1.2.3:8092:80 box true
    docker run --rm -p ::1:8092:80 box true
    docker run --rm -p '[::1:8092:80' box true
    docker run --rm -p 8092: box true
    docker run --rm -p :80: box true
    docker run --rm -p 1:2:3:4:5 box true
    docker run --rm --expose 70000 box true
    docker run --rm --expose 80/nonsense box true
    docker run --rm --expose 2-1 box true
    docker create --name plain -p 8092:80/sctp box true
    docker inspect -f '{{json .HostConfig.PortBindings}}' plain`,
}

import type { Topic } from '../../topic.ts'

export const listing: Topic = {
  title: 'network ls',
  script: String.raw`
    docker network create --subnet 10.5.0.0/24 --label color=red --label big alpha
    docker network create --subnet 10.5.1.0/24 --label color=blue --internal beta
    docker network create --subnet 10.5.2.0/24 alphabet
    docker run -d --name user --network beta box sleep 600
    docker create --name idle --network alphabet box sleep 600
    docker network ls
    docker network list -q
    docker network ls --no-trunc
    docker network ls --filter driver=bridge
    docker network ls --filter driver=null
    docker network ls --filter driver=nonsense
    docker network ls --filter driver=bridge --filter driver=host
    docker network ls -f name=alpha
    docker network ls -f name=^alpha$
    docker network ls -f name=beta -f name=host
    docker network ls -f name=[
    docker network ls -f id=$(docker network inspect -f '{{.Id}}' beta | cut -c1-12)
    docker network ls -f id=zzz
    docker network ls -f label=color
    docker network ls -f label=color=red
    docker network ls -f label=color=red -f label=big
    docker network ls -f label=color=green
    docker network ls -f type=custom
    docker network ls -f type=builtin
    docker network ls -f type=other
    docker network ls -f scope=local
    docker network ls -f scope=swarm
    docker network ls -f scope=nonsense
    docker network ls -f dangling=true
    docker network ls -f dangling=false
    docker network ls -f dangling=1
    docker network ls -f dangling=perhaps
    docker network ls -f driver=bridge -f label=color
    docker network ls -f nonsense=1
    docker network ls -f nonsense
    docker network ls --format '{{.Name}}: {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}}'
    docker network ls -f name=beta --format '{{json .}}'
    docker network ls -f name=alpha --format '{{.Label "color"}} {{.Label "big"}}'
    docker network ls --format 'table {{.Name}}\t{{.Internal}}'
    docker network ls --format '{{.Nonsense}}'
    docker network ls more`,
}

export const inspecting: Topic = {
  title: 'network inspect',
  script: `
    docker network create --subnet 10.6.0.0/24 --gateway 10.6.0.1 one
    docker network create --subnet 10.6.1.0/24 --label key=value two
    docker run -d --name user --network one --ip 10.6.0.7 --mac-address 92:00:00:00:06:07 box sleep 600
    docker create --name idle --network one box sleep 600
    docker network inspect one
    docker network inspect -v one
    docker network inspect one two
    docker network inspect $(docker network inspect -f '{{.Id}}' two | cut -c1-6)
    docker network inspect host
    docker network inspect none
    docker network inspect bridge
    docker network inspect missing
    docker network inspect one missing two
    docker network inspect
    docker network inspect -f '{{.Name}} {{.Labels.key}} {{len .Containers}}' one two
    docker network inspect -f '{{json .Containers}}' one
    docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.MacAddress}}{{end}}' one
    docker network inspect -f '{{.Nonsense}}' one
    docker network inspect -f '{{' one
    docker inspect one
    docker inspect --type network two
    docker inspect --type network missing
    docker inspect missing`,
}

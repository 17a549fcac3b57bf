import type { Topic } from '../../topic.ts'

export const removing: Topic = {
  title: 'network rm',
  script: `
    docker network create --subnet 10.7.0.0/24 one
    docker network create --subnet 10.7.1.0/24 two
    docker network create --subnet 10.7.2.0/24 three
    docker network create --subnet 10.7.3.0/24 used
    docker run -d --name user --network used box sleep 600
    docker network rm
    docker network rm missing
    docker network rm bridge
    docker network rm host
    docker network rm none
    docker network rm used
    docker network rm one
    docker network rm one
    docker network rm missing two used three
    docker network remove $(docker network create --subnet 10.7.4.0/24 four)
    docker network create --subnet 10.7.0.0/24 again
    docker stop -t 0 user
    docker network rm used
    docker start user
    docker rm user
    docker network ls -f type=custom --format '{{.Name}}'`,
}

export const pruning: Topic = {
  title: 'network prune',
  script: `
    docker network create --subnet 10.8.0.0/24 --label keep=yes kept
    docker network create --subnet 10.8.1.0/24 --label keep=no loose
    docker network create --subnet 10.8.2.0/24 used
    docker run -d --name user --network used box sleep 600
    docker network prune -f --filter label=keep=maybe
    docker network prune -f --filter until=10m
    docker network prune -f --filter until=nonsense
    docker network prune -f --filter nonsense=1
    docker network prune -f --filter label=keep=no
    docker network create --subnet 10.8.1.0/24 loose
    docker network prune -f --filter label!=keep=yes
    echo n | docker network prune
    docker network prune -f
    docker network prune -f
    docker network ls --format '{{.Name}}'`,
}

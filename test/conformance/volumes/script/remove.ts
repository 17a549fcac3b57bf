import type { Topic } from '../../topic.ts'

export const removing: Topic = {
  title: 'volume rm',
  script: `
    for name in one two three four used; do docker volume create $name; done
    docker create --name user -v used:/x box sleep 600
    docker volume rm
    docker volume rm missing
    docker volume rm -f missing
    docker volume rm used
    docker volume rm -f used
    docker volume rm one
    docker volume rm one
    docker volume rm missing two used three
    docker volume remove -f four missing
    docker volume rm ''
    docker volume rm ../four
    docker start user
    docker volume rm used
    docker stop -t 0 user
    docker volume rm used
    docker rm user
    docker volume ls -q
    docker volume rm used
    docker volume create used
    docker run --rm -v used:/x box sh -c 'echo text > /x/file'
    docker volume rm used
    docker run --rm -v used:/x box ls /x`,
}

export const pruning: Topic = {
  title: 'volume prune',
  script: `
    docker volume create --label keep=yes kept
    docker volume create --label keep=no loose
    docker volume create used
    docker create --name user -v used:/x -v /y box true
    docker volume prune -f --filter label=keep=maybe
    docker volume prune -f --filter until=10m
    docker volume prune -f --filter nonsense=1
    docker volume prune -f --filter nonsense
    docker volume prune -f --filter label=keep=no | grep -v reclaimed
    docker volume create loose
    docker volume prune -f --filter label!=keep=yes | grep -v reclaimed
    docker volume create filled
    docker run --rm -v filled:/x box fallocate -l 100000000 /x/file
    echo n | docker volume prune
    docker volume ls -q --filter dangling=true
    echo y | docker volume prune | sort
    docker volume prune -f
    docker volume prune more
    docker rm user
    docker volume prune -f | grep -c .
    docker volume ls -q`,
}

export const removingWithContainers: Topic = {
  title: 'removal with containers',
  script: `
    docker run --rm -v /x -v named:/y box touch /x/file /y/file
    docker volume ls -q
    docker run --rm declared true
    docker volume ls -q
    docker create --name one -v /x -v named:/y box true
    docker volume ls -q | wc -l
    docker rm one
    docker volume ls -q | wc -l
    docker volume prune -f | grep -c .
    docker create --name two -v /x -v named:/y box true
    docker rm -v two
    docker volume ls -q
    docker create --name three -v named:/y --mount type=volume,dst=/x declared true
    docker volume ls -q | wc -l
    docker rm -v three
    docker volume ls -q
    docker run -d --name four -v /x box sleep 600
    docker create --name five --volumes-from four box true
    docker rm -fv four
    docker volume ls -q | wc -l
    docker rm -v five
    docker volume ls -q | wc -l
    docker run -d --name six --rm -v /x box sleep 600
    docker volume rm $(docker inspect -f '{{(index .Mounts 0).Name}}' six)
    docker stop -t 0 six && sleep 0.5
    docker volume ls -q
    docker run --rm -v /x box false
    docker volume ls -q
    docker run --rm -v /x box nonsense
    docker volume ls -q
    docker run --name seven -v late:/x --network missing box true
    docker rm -f seven
    docker volume ls -q`,
}

import type { Topic } from '../../topic.ts'

export const living: Topic = {
  title: 'volumes of running containers',
  script: `
    docker run -d --name app -v data:/x -v /y box sleep 600
    docker exec app sh -c 'echo text > /x/file; echo own > /y/file'
    docker restart -t 0 app
    docker exec app cat /x/file /y/file
    docker stop -t 0 app && docker start app
    docker exec app cat /x/file /y/file
    docker run --rm -v data:/z:ro box cat /z/file
    docker run -d --name other -v data:/x box sleep 600
    docker volume rm data
    docker rm -f app
    docker volume rm data
    docker rm -f other
    docker volume rm data
    mkdir dir && docker create --name gone -v $PWD/dir:/x box ls /x
    rmdir dir && docker start -a gone
    ls -d dir
    mkdir kept && docker create --name strict --mount type=bind,src=$PWD/kept,dst=/x box true
    rmdir kept && docker start strict
    docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' strict
    ls -d kept
    touch kept && docker start strict
    docker run -d --name last -v data:/x box sleep 600
    docker rename last renamed && docker volume rm data
    docker rm -fv renamed && docker volume rm data`,
}

export const events: Topic = {
  title: 'events',
  script: `
    events-of 'docker volume create nn && docker volume rm nn'
    events-of 'docker volume create nn; docker volume create nn'
    events-of 'docker run --rm -v nn:/x box true'
    events-of 'docker run --rm -v nn:/x:ro box true'
    events-of 'docker run --rm -v mm:/x -v /tmp:/y --tmpfs /z box true'
    events-of 'docker run --rm -v /x box true'
    docker run -d --name app -v nn:/x box sleep 600
    events-of 'docker exec app true; docker restart -t 0 app'
    events-of 'docker volume rm nn'
    events-of 'docker rm -fv app'
    events-of 'docker volume prune -f > /dev/null' | sed 's/{"reclaimed.*//' | sort`,
}

export const measuring: Topic = {
  title: 'system df',
  script: `
    docker system df -v --format '{{json .Volumes}}'
    docker run --rm -v full:/x box fallocate -l 100000000 /x/file
    docker create --name one -v full:/x box true
    docker create --name two -v full:/x box true
    docker volume create --label a=1 loose
    docker volume create -o type=tmpfs -o device=tmpfs scratch
    docker system df -v --format '{{range .Volumes}}{{println .Name .Links .Driver .Labels}}{{end}}' | sort
    docker system df -v | sed -n '/^Local Volumes/,/^$/p' | grep -v loose
    docker system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
    docker rm one two
    docker system df -v --format '{{range .Volumes}}{{println .Name .Links}}{{end}}' | sort
    docker run --rm -v full:/x box sh -c 'ln /x/file /x/same; truncate -s 1g /x/sparse'
    docker system df -v --format '{{range .Volumes}}{{println .Name .Size}}{{end}}' | grep full`,
}

import type { Topic } from '../../topic.ts'

const look = `sh -c 'grep " /x " /proc/mounts; stat -c "%a %u:%g" /x; ls /x'`

/** Volumes of the local driver that can not be mounted. */
const unmountable = [
  '-o type=none -o device=/missing -o o=bind',
  '-o type=none -o device=$PWD/file -o o=bind',
  '-o type=none -o device=$PWD/dir',
  '-o type=nonsense -o device=none',
  '-o type=tmpfs -o device=tmpfs -o o=nonsense',
  '-o type=tmpfs -o device=tmpfs -o o=size=much',
  '-o type=ext4 -o device=/missing',
]

export const driverOptions: Topic = {
  title: 'options of the local driver',
  script: `
    mkdir dir && echo text > dir/file && echo own > file
    docker volume create -o type=tmpfs -o device=tmpfs -o o=size=64k,uid=1000,mode=700 scratch
    docker run --rm -v scratch:/x box ${look}
    docker run --rm -v scratch:/x:ro box sh -c 'grep " /x " /proc/mounts; touch /x/a'
    grep -c scratch /proc/mounts
    docker run -d --name one -v scratch:/x box sh -c 'touch /x/a; sleep 600'
    docker run --rm -v scratch:/y box ls /y
    grep -c scratch /proc/mounts
    ls $(docker volume inspect -f '{{.Mountpoint}}' scratch)
    docker stop -t 0 one
    grep -c scratch /proc/mounts
    docker start one && sleep 0.3 && docker exec one ls /x
    docker rm -f one
    docker volume rm scratch
    docker volume create -o type=none -o device=$PWD/dir -o o=bind bound
    docker run --rm -v bound:/x box sh -c 'cat /x/file; touch /x/more; grep -c " /x " /proc/mounts'
    docker run --rm -v bound:/tree full ls /tree
    ls dir
    docker volume rm bound && ls dir
    docker volume create -o type=none -o device=$PWD/dir -o o=bind,ro fixed
    docker run --rm -v fixed:/x box sh -c 'ls /x; touch /x/a'
    docker volume create -o type=tmpfs -o device=tmpfs -o o=noexec,nosuid,noatime flags
    docker run --rm -v flags:/x box grep ' /x ' /proc/mounts
    ${unmountable
      .map(
        (option, index) =>
          `docker volume create ${option} v${index} && docker run --rm -v v${index}:/x box true`,
      )
      .join('\n')}
    docker ps -aq | wc -l
    docker create --name late -v v0:/x box true
    docker start late
    docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' late
    docker rm -v late
    docker volume ls -q
    grep -c /volumes/ /proc/mounts
    docker run --rm --mount 'type=volume,src=made,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=64k,mode=711"' box ${look}
    docker volume inspect -f '{{json .Options}}' made
    docker run --rm --mount type=volume,src=made,dst=/x,volume-opt=type=none,volume-opt=device=/ box ls /x
    docker run --rm --mount type=volume,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs box ${look}
    docker run --rm -v $PWD/dir:/x -v made:/x/dir box sh -c 'ls /x; stat -c %a /x/dir'`,
}

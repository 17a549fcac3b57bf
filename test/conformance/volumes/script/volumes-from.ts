import type { Topic } from '../../topic.ts'

const mounts = `docker inspect -f '{{range .Mounts}}{{println .Type .Destination .Mode .RW .Propagation}}{{end}}'`

export const volumesFrom: Topic = {
  title: '--volumes-from',
  script: `
    mkdir dir && echo text > dir/file
    docker create --name source -v data:/data -v $PWD/dir:/bind:ro -v /anonymous --tmpfs /tmpfs box true
    docker run --rm --volumes-from source box sh -c 'cat /bind/file /data/seed; touch /anonymous/x'
    docker run --rm --volumes-from source box sh -c 'grep -o -e " /[a-z]*tmpfs " -e " /data " -e " /bind " -e " /anonymous " /proc/mounts | sort'
    docker run --rm --volumes-from source:ro box touch /data/x
    docker run --rm --volumes-from source:rw box touch /data/x
    docker run --rm --volumes-from source:rw box touch /bind/x
    docker create --name second --volumes-from source:ro box true
    ${mounts} second | sort
    docker inspect -f '{{json .HostConfig.VolumesFrom}} {{json .HostConfig.Binds}} {{json .Config.Volumes}}' second
    docker create --name third --volumes-from second box true
    ${mounts} third | sort
    docker create --name fourth --volumes-from source:z box true
    ${mounts} fourth | sort
    docker create --name memory --mount type=tmpfs,dst=/x box true
    docker run --rm --volumes-from memory box ls -d /bin 2> /dev/null
    docker run --rm --volumes-from missing box true
    docker run --rm --volumes-from source:nonsense box true
    docker run --rm --volumes-from source:nocopy box true
    docker run --rm --volumes-from source:rslave box true
    docker run --rm --volumes-from source:ro,rw box true
    docker run --rm --volumes-from source:ro:rw box true
    docker run --rm --volumes-from '' box true
    docker run --rm --volumes-from : box true
    docker run --rm --volumes-from source: box true
    docker run --rm --volumes-from source -v other:/data box ls /data
    docker run --rm --volumes-from source --tmpfs /data box ls /data
    docker run --rm --volumes-from $(docker inspect -f '{{.Id}}' source | cut -c 1-8) box ls /bind
    docker create --name other -v other:/data -v more:/more box true
    docker create --name all --volumes-from source --volumes-from other box true
    docker inspect -f '{{range .Mounts}}{{println .Type .Name .Destination}}{{end}}' all | grep -v anonymous | sort
    docker rm source
    docker run --rm --volumes-from third box ls /data
    docker volume rm data
    docker volume ls -q | grep data
    docker rm -v second third fourth all other
    docker volume ls -q | grep -vc data`,
}

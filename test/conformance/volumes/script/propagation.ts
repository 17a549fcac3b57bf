import type { Topic } from '../../topic.ts'

const fields = (container: string, target: string) =>
  `docker exec ${container} awk '$5 == "${target}" { print $6, $7 ~ /shared/ ? "shared" : $7 ~ /master/ ? "slave" : "private" }' /proc/self/mountinfo`

const kinds = ['rprivate', 'private', 'rslave', 'slave', 'rshared', 'shared']

/** `mount` is in the daemon's own mount namespace, which the script shares with it. */
export const propagating: Topic = {
  title: 'propagation',
  script: `
    mkdir shared plain && mount -t tmpfs tmpfs shared && mount --make-shared shared && mkdir shared/sub shared/late
    mount -t tmpfs tmpfs shared/sub && touch shared/sub/inside && mkdir plain/sub && touch plain/file
    ${kinds
      .flatMap((kind) => [
        `docker run -d --name ${kind} -v $PWD/shared:/x:${kind} box sleep 600`,
        fields(kind, '/x'),
        `docker exec ${kind} ls /x/sub`,
      ])
      .join('\n')}
    mount -t tmpfs tmpfs shared/late && touch shared/late/inside
    ${kinds.map((kind) => `docker exec ${kind} ls /x/late`).join('\n')}
    umount shared/late
    ${kinds.map((kind) => `docker exec ${kind} grep -c ' /x/late ' /proc/mounts`).join('\n')}
    docker run --rm -v $PWD/plain:/x:rshared box true
    docker run --rm -v $PWD/plain:/x:shared box true
    docker run --rm -v $PWD/plain:/x:rslave box true
    docker run --rm -v $PWD/plain:/x:slave box true
    docker run --rm --mount type=bind,src=$PWD/shared,dst=/x,bind-propagation=rslave box ls /x/sub
    docker run --rm --mount type=bind,src=$PWD/shared,dst=/x,bind-nonrecursive box ls /x/sub
    docker run --rm -v $PWD/shared:/x:ro box touch /x/file
    docker run --rm -v $PWD/shared:/x:ro box touch /x/sub/file
    docker run --rm --volumes-from rslave box grep -c ' /x' /proc/mounts
    docker run -d --name own --cap-add SYS_ADMIN --security-opt apparmor=unconfined -v $PWD/shared:/x:rshared box sleep 600
    docker exec own mount -t tmpfs tmpfs /x/late
    grep -c shared/late /proc/mounts
    docker exec own umount /x/late
    grep -c shared/late /proc/mounts
    docker run -d --name root -v /:/host box sleep 600
    ${fields('root', '/host')}
    docker run --rm -v /:/host:ro box touch /host/tmp/file
    docker inspect -f '{{json .Mounts}}' root`,
}

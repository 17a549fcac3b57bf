import type { Topic } from '../../topic.ts'

const mounts = `docker inspect -f '{{json .Mounts}}{{println}}{{json .HostConfig.Binds}}{{println}}{{json .HostConfig.Mounts}}'`

const right = [
  'type=bind,src=$PWD/dir,dst=/x',
  'type=bind,source=$PWD/dir,target=/x,readonly',
  'type=bind,src=$PWD/dir/../dir/,destination=/y/../x/,ro=true',
  'type=bind,src=$PWD/dir,dst=/x,readonly=false',
  'type=bind,src=$PWD/dir,dst=/x,bind-propagation=rslave',
  'type=bind,src=$PWD/dir,dst=/x,bind-propagation=private,consistency=cached',
  'type=bind,src=$PWD/dir,dst=/x,bind-nonrecursive',
  'type=bind,src=$PWD/dir,dst=/x,consistency=delegated,ro',
  'type=bind,src=$PWD/file,dst=/x',
  'type=bind,src=$PWD/link,dst=/x',
  'type=volume,src=data,dst=/x',
  'src=data,dst=/x',
  'dst=/x',
  'type=volume,dst=/x',
  'type=volume,src=data,dst=/x,readonly',
  'type=volume,src=data,dst=/x,volume-nocopy',
  'type=volume,src=data,dst=/x,volume-nocopy=false,consistency=consistent',
  'type=volume,src=fresh,dst=/x,volume-label=a=1,volume-label=b,volume-driver=local',
  'type=volume,src=scratch,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=64k',
  'type=volume,dst=/x,volume-label=a=1',
  'type=tmpfs,dst=/x',
  'type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=0700',
  'type=tmpfs,dst=/x,tmpfs-size=65536,tmpfs-mode=1777,readonly',
  'type=tmpfs,target=/x,consistency=cached',
]

export const mountSyntax: Topic = {
  title: '--mount',
  script: `
    mkdir dir && echo text > dir/file && echo own > file && ln -s dir link
    ${right
      .flatMap((mount) => [
        `docker create --name xx --mount ${mount} box true > /dev/null && ${mounts} xx; docker rm xx > /dev/null`,
        `docker run --rm --mount ${mount} box sh -c 'grep " /x " /proc/mounts; ls -ld /x | cut -c 1-30; ls /x; touch /x/new' | sed 's/ [A-Z][a-z][a-z] .*//'`,
      ])
      .join('\n')}
    docker volume inspect fresh scratch
    docker volume ls -q | wc -l`,
}

const wrong = [
  "''",
  'nonsense',
  'nonsense=1,dst=/x',
  'type=nonsense,dst=/x',
  'type=bind,dst=/x',
  'type=bind,src=$PWD',
  'type=bind,src=$PWD/missing,dst=/x',
  'type=bind,src=missing,dst=/x',
  'type=bind,src=$PWD/broken,dst=/x',
  'type=bind,src=$PWD/file/x,dst=/x',
  'type=bind,src=$PWD,dst=x',
  'type=bind,src=$PWD,dst=/',
  'type=bind,src=$PWD,dst=/x,volume-nocopy',
  'type=bind,src=$PWD,dst=/x,tmpfs-size=1',
  'type=bind,src=$PWD,dst=/x,bind-propagation=nonsense',
  'type=bind,src=$PWD,dst=/x,readonly=perhaps',
  'type=bind,src=$PWD,dst=/x,bind-nonrecursive=perhaps',
  'type=bind,src=$PWD,dst=/x,consistency=nonsense',
  'type=bind,src=$PWD/file,dst=/tmp',
  'type=bind,src=$PWD,dst=/etc/passwd',
  'type=volume,src=data',
  'type=volume,src=data,dst=x',
  'type=volume,src=data,dst=/',
  'type=volume,src=a/b,dst=/x',
  'type=volume,src=$PWD,dst=/x',
  'type=volume,src=.a,dst=/x',
  'type=volume,src=a,dst=/x',
  'type=volume,src=data,dst=/x,bind-propagation=rslave',
  'type=volume,src=data,dst=/x,tmpfs-mode=0700',
  'type=volume,src=data,dst=/x,volume-nocopy=perhaps',
  'type=volume,src=other,dst=/x,volume-opt=nonsense=1',
  'type=volume,src=other,dst=/x,volume-opt=type=tmpfs',
  'type=volume,dst=/x,readonly',
  'type=tmpfs',
  'type=tmpfs,src=data,dst=/x',
  'type=tmpfs,dst=x',
  'type=tmpfs,dst=/',
  'type=tmpfs,dst=/x,tmpfs-size=nonsense',
  'type=tmpfs,dst=/x,tmpfs-size=-1',
  'type=tmpfs,dst=/x,tmpfs-mode=999',
  'type=tmpfs,dst=/x,tmpfs-mode=nonsense',
  'type=tmpfs,dst=/x,volume-nocopy',
  'type=tmpfs,dst=/x,bind-propagation=rslave',
  'type=npipe,src=x,dst=/x',
  'type=bind,type=volume,src=data,dst=/x',
  'type=volume,src=data,src=other,dst=/x',
]

export const refusingMounts: Topic = {
  title: '--mount, refused',
  script: `
    echo text > file && ln -s missing broken
    ${wrong.map((mount) => `docker run --rm --mount ${mount} box true`).join('\n')}
    docker run --rm --mount type=volume,src=other,dst=/x,volume-driver=missing box true 2>&1 | grep -o 'plugin .*'
    docker volume ls -q
    ls
    docker run --rm --mount type=volume,src=data,dst=/x --mount type=tmpfs,dst=/x box true
    docker run --rm --mount dst=/x --mount dst=/x box true
    docker run --rm --mount type=tmpfs,dst=/x --mount type=tmpfs,dst=/x/ box true
    docker run --rm --mount dst=/x -v /x box grep -c ' /x ' /proc/mounts
    docker run --rm --mount type=tmpfs,dst=/x --tmpfs /x box true`,
}

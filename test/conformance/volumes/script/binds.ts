import type { Topic } from '../../topic.ts'

const mounts = `docker inspect -f '{{json .Mounts}}{{println}}{{json .HostConfig.Binds}}{{println}}{{json .HostConfig.Mounts}}'`

/** Options of -v that both kinds of mounts may be given. */
const modes = [
  'ro',
  'rw',
  'z',
  'Z',
  'ro,z',
  'nocopy',
  'ro,nocopy',
  'consistent',
  'cached',
  'delegated',
  'rprivate',
  'private',
  'rslave',
  'slave',
  'rshared',
  'shared',
  'ro,rslave',
  'rw,Z,rprivate,delegated',
]

const wrongModes = [
  'nonsense',
  'ro,rw',
  'ro,ro',
  'z,Z',
  'cached,delegated',
  'private,shared',
  'RO',
  'ro,nonsense',
  'ro,',
  ',',
  'copy',
]

export const volumeSyntax: Topic = {
  title: '-v',
  script: `
    mkdir dir && echo text > dir/file && echo own > file
    docker run --rm -v $PWD/dir:/x box cat /x/file
    docker run --rm -v $PWD/dir:/x box grep ' /x ' /proc/mounts
    docker run --rm -v $PWD/dir:/x:ro box grep ' /x ' /proc/mounts
    docker run --rm -v $PWD/dir:/x:ro box touch /x/more
    docker run --rm -v $PWD/dir:/x box touch /x/more && ls dir
    docker run --rm -v $PWD/dir/:/x/ box ls /x
    docker run --rm -v $PWD/dir/../dir:/x/../y box ls /y
    docker run --rm -v $PWD/file:/x/y/z box cat /x/y/z
    docker run --rm -v $PWD/file:/etc/passwd box cat /etc/passwd
    docker run --rm -v $PWD/file:/etc/hostname:ro box cat /etc/hostname
    docker run --rm -v $PWD/file:/etc/hosts box cat /etc/hosts
    docker run --rm -v $PWD/file:/etc/resolv.conf box cat /etc/resolv.conf
    docker run --rm -v $PWD/made/here:/x box stat -c '%a %u:%g' /x
    stat -c '%a %u:%g' made made/here
    docker run --rm -v $PWD/file:/tmp box true
    docker run --rm -v $PWD/dir:/etc/passwd box true
    docker run --rm -v $PWD/file/x:/x box true
    docker run --rm -v $PWD/file/:/x box true
    ln -s dir link && ln -s missing broken && ln -s loop loop && mkfifo fifo
    docker run --rm -v $PWD/link:/x box cat /x/file
    docker run --rm -v $PWD/broken:/x box true
    docker run --rm -v $PWD/loop:/x box true
    docker run --rm -v $PWD/fifo:/x box stat -c %F /x
    docker run --rm -v data:/x box sh -c 'echo named > /x/file; grep -c " /x " /proc/mounts'
    docker run --rm -v data:/x:ro box sh -c 'cat /x/file; touch /x/more'
    docker run --rm -v /x box sh -c 'ls -la /x | wc -l; touch /x/file; grep -c " /x " /proc/mounts'
    docker run --rm -v data:/x -v data:/y box cat /y/file
    docker run --rm -v data:/x:ro -v data:/y box sh -c 'touch /x/a; touch /y/b; ls /x'
    docker create --name bind -v $PWD/dir:/x box true
    ${mounts} bind
    docker create --name bindro -v $PWD/dir/../dir/:/x/:ro box true
    ${mounts} bindro
    docker create --name named -v data:/x box true
    ${mounts} named
    docker create --name namedro -v data:/x/.:ro box true
    ${mounts} namedro
    docker create --name anonymous -v /x box true
    ${mounts} anonymous
    docker inspect -f '{{json .Config.Volumes}}' anonymous bind
    docker volume inspect -f '{{json .Labels}} {{json .Options}}' $(docker inspect -f '{{(index .Mounts 0).Name}}' anonymous)
    docker volume inspect data`,
}

export const volumeModes: Topic = {
  title: 'modes of -v',
  script: `
    mkdir dir
    ${modes
      .flatMap((mode) => [
        `docker create --name bind -v $PWD/dir:/x:${mode} box true > /dev/null && ${mounts} bind; docker rm bind > /dev/null`,
        `docker create --name named -v data:/x:${mode} box true > /dev/null && ${mounts} named; docker rm named > /dev/null`,
      ])
      .join('\n')}
    ${wrongModes.map((mode) => `docker create --name xx -v data:/x:${mode} box true && docker rm xx`).join('\n')}
    ${wrongModes.map((mode) => `docker create --name xx -v $PWD/dir:/x:${mode} box true && docker rm xx`).join('\n')}
    docker create --name xx -v /x:ro box true && docker rm xx`,
}

const wrong = [
  ':',
  '::',
  ':/x',
  'data:',
  'data:x',
  'data:./x',
  'data:/',
  'data:/x/..',
  'x',
  './x',
  '../x:/x',
  '/tmp:x',
  '/tmp:/',
  '/tmp:/x:ro:rw',
  'a/b:/x',
  '.a:/x',
  'a:/x',
  '-a:/x',
  'ä:/x',
  'data:/proc',
  'data:/proc/self',
  '/tmp:/proc/uptime',
  '/proc:/proc',
  'data:/dev/shm',
  'data:/dev/x',
  'data:/sys',
  'data:/sys/x',
  '/x:ro',
  '/x:/x:/x',
  "' data:/x'",
  "'data:/x y'",
  "'/tmp/a b:/x'",
]

export const refusingVolumes: Topic = {
  title: '-v, refused',
  script: `
    ${wrong.map((volume) => `docker run --rm -v ${volume} box true`).join('\n')}
    docker run --rm -v '' box true 2> /dev/null
    docker run --rm -v / box true 2> /dev/null
    docker run --rm -v /.. box true 2> /dev/null
    docker volume ls -q
    docker run --rm -v data:/x -v other:/x box true
    docker run --rm -v data:/x -v other:/x/. box true
    docker run --rm -v $PWD:/x -v other:/x box true
    docker run --rm -v data:/x -v /x box grep -c ' /x ' /proc/mounts
    docker run --rm -v /x -v /x box grep -c ' /x ' /proc/mounts
    docker run --rm -v data:/x --mount type=volume,src=data,dst=/x box true
    docker run --rm -v data:/x --tmpfs /x box true
    docker run --rm --volume-driver missing -v other:/x box true 2>&1 | grep -o 'plugin .*'
    docker run --rm --volume-driver local -v other:/x box true
    docker create --name xx --volume-driver local -v other:/x -v /y box true && docker inspect -f '{{.HostConfig.VolumeDriver}}' xx`,
}

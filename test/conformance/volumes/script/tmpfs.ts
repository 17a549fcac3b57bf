import type { Topic } from '../../topic.ts'

const options = [
  '',
  ':size=64k',
  ':size=64k,mode=700',
  ':rw,exec,suid,dev',
  ':ro',
  ':uid=1000,gid=2000,mode=0750',
  ':nr_inodes=10',
  ':nr_blocks=4',
  ':noatime',
  ':strictatime',
  ':size=1g,noexec',
  ':size=10%',
]

const wrong = [
  ':nonsense',
  ':size=much',
  ':mode=9',
  ':uid=root',
  ':ro,rw',
  ':',
  ':size=',
  ':size=0',
  ':bind',
  ':remount',
]

export const tmpfs: Topic = {
  title: '--tmpfs',
  script: `
    ${options.map((option) => `docker run --rm --tmpfs /x${option} box sh -c 'grep " /x " /proc/mounts; stat -c "%a %u:%g" /x'`).join('\n')}
    ${wrong.map((option) => `docker run --rm --tmpfs /x${option} box true`).join('\n')}
    docker run --rm --tmpfs x box true
    docker run --rm --tmpfs / box true
    docker run --rm --tmpfs '' box true
    docker run --rm --tmpfs /x/../y box grep -c ' /y ' /proc/mounts
    docker run --rm --tmpfs /data box ls /data
    docker run --rm --tmpfs /tmp box stat -c '%a %u:%g' /tmp
    docker run --rm --tmpfs /etc/passwd box true
    docker run --rm --tmpfs /x --tmpfs /x:size=1m box sh -c 'grep " /x " /proc/mounts'
    docker run --rm --tmpfs /run --tmpfs /run/lock box grep -c ' /run[^ ]* tmpfs ' /proc/mounts
    docker run --rm --tmpfs /x:size=64k box sh -c 'dd if=/dev/zero of=/x/file bs=1k count=100 2>&1 | head -n 1'
    docker run --rm --tmpfs /dev/shm:size=64k box grep ' /dev/shm ' /proc/mounts
    docker run --rm --shm-size 1m box grep ' /dev/shm ' /proc/mounts
    docker run --rm --read-only --tmpfs /x -v data:/y box sh -c 'touch /x/a /y/a; touch /a'
    docker run --rm --read-only box touch /x
    docker create --name xx --tmpfs /x:size=64k --tmpfs /y box true
    docker inspect -f '{{json .HostConfig.Tmpfs}} {{json .Mounts}} {{json .HostConfig.Binds}}' xx
    docker run -d --name app --tmpfs /x box sh -c 'touch /x/file; sleep 600'
    docker restart -t 0 app && docker exec app ls /x
    docker exec app sh -c 'touch /x/other; ls /x'`,
}

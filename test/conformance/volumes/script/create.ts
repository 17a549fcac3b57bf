import type { Topic } from '../../topic.ts'

export const creating: Topic = {
  title: 'volume create',
  script: `
    docker volume create data
    docker volume inspect data
    docker volume create data
    docker volume create -d local data
    docker volume create
    docker volume create --name named
    docker volume create --label a=1 --label b --label a=2 --label = marked
    docker volume inspect -f '{{json .Labels}}' marked
    docker volume create --label c=3 marked
    docker volume inspect -f '{{json .Labels}}' marked
    docker volume create -d local -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000 scratch
    docker volume inspect scratch
    docker volume create -o type=none -o device=/missing -o o=bind bound
    docker volume inspect -f '{{json .Options}}' bound
    docker volume create -o type=tmpfs -o device=tmpfs data
    docker volume inspect -f '{{json .Options}}' data
    docker volume create --opt o=ro
    docker volume create -o type=tmpfs -o device=tmpfs -o o= blank
    docker volume inspect -f '{{json .Options}}' blank
    test -d $(docker volume inspect -f '{{.Mountpoint}}' data)
    stat -c '%a %u:%g %F' $(docker volume inspect -f '{{.Mountpoint}}' data)
    stat -c '%a %u:%g %F' $(dirname $(docker volume inspect -f '{{.Mountpoint}}' data))`,
}

/** What somebody may get wrong; what passes is removed. */
const wrong = `
  -o type=tmpfs
  -o device=tmpfs
  -o type=tmpfs -o o=size=1m
  -o device=tmpfs -o o=size=1m
  -o type= -o device=
  -o type=tmpfs -o device=
  -o nonsense=1
  -o nonsense
  -o ''
  -o Type=tmpfs -o device=tmpfs
  -o o=size=1m
  -o o=nonsense
  -o size=nonsense
  -o size=-1
  -o size=0
  -o type=none -o device=relative -o o=bind
  -o type=nonsense -o device=x
  -o type=nfs -o device=:/export
  -d ''
  -d missing
  -d local -d local
  --label =x
  --label ''
  --nonsense`

const names = [
  'a',
  'ab',
  '1',
  '12',
  'A_b-1.2',
  "''",
  "' '",
  '.a',
  '_a',
  '-- -a',
  'a/b',
  '/a',
  '/tmp/x',
  './x',
  '../x',
  '..',
  "'a b'",
  'a:b',
  'a@b',
  'ä',
  'a.',
  '$(printf %0255d 0)',
  '$(printf %0256d 0)',
]

export const refusingToCreate: Topic = {
  title: 'volume create, refused',
  script: `
    docker volume create one two
    docker volume create --name one two
    ${wrong.trim().replaceAll(/^ *(.*)$/gm, 'docker volume create $1 xx && docker volume rm xx')}
    ${names.map((name) => `docker volume create ${name} && docker volume rm ${name}`).join('\n')}
    docker volume create Data
    docker volume create data
    docker volume ls -q -f name=ata`,
}

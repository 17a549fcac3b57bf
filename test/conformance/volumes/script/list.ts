import type { Topic } from '../../topic.ts'

export const listing: Topic = {
  title: 'volume ls',
  script: String.raw`
    docker volume ls
    docker volume create --label color=red --label big alpha
    docker volume create --label color=blue beta
    docker volume create alphabet
    docker create --name user -v beta:/x box true
    docker volume ls -f name=a
    docker volume ls -q -f name=a
    docker volume ls -q | wc -l
    docker volume list -q --filter dangling=true
    docker volume ls -q -f dangling=false
    docker volume ls -q -f dangling=1
    docker volume ls -q -f dangling=0
    docker volume ls -q -f dangling=True
    docker volume ls -q -f dangling=perhaps
    docker volume ls -q -f dangling=
    docker volume ls -q -f dangling=true -f dangling=false
    docker volume ls -q -f driver=local
    docker volume ls -q -f driver=loc
    docker volume ls -q -f driver=missing
    docker volume ls -q -f name=alpha
    docker volume ls -q -f name=^alpha$
    docker volume ls -q -f name=bet -f name=bar
    docker volume ls -q -f name=bet -f name=phab
    docker volume ls -q -f name=[
    docker volume ls -q -f name=
    docker volume ls -q -f label=color
    docker volume ls -q -f label=color=red
    docker volume ls -q -f label=color=red -f label=big
    docker volume ls -q -f label=color=green
    docker volume ls -q -f label=
    docker volume ls -q -f label!=color
    docker volume ls -q -f label=color -f dangling=true
    docker volume ls -q -f name=a -f label=color
    docker volume ls -f nonsense=1
    docker volume ls -f nonsense
    docker volume ls -f name=alpha --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}}'
    docker volume ls -f name=alpha --format '{{.Name}}: {{.Label "color"}} {{.Label "none"}} {{.Links}} {{.Size}}'
    docker volume ls -f name=beta --format '{{json .}}'
    docker volume ls -f name=alpha --format 'table {{.Name}}\t{{.Driver}}'
    docker volume ls --format '{{.Nonsense}}'
    docker volume ls --format '{{'
    docker volume ls more`,
}

export const inspecting: Topic = {
  title: 'volume inspect',
  script: `
    docker volume create --label key=value one
    docker volume create -o type=tmpfs -o device=tmpfs two
    docker run -d --name user -v one:/x box sleep 600
    docker volume inspect one
    docker volume inspect one two
    docker volume inspect two
    docker volume inspect missing
    docker volume inspect one missing two
    docker volume inspect
    docker volume inspect on
    docker volume inspect ''
    docker volume inspect ../one
    docker volume inspect /x
    docker volume inspect -f '{{.Name}} {{.Labels.key}} {{.Scope}}' one two
    docker volume inspect -f '{{.Nonsense}}' one
    docker volume inspect -f '{{' one
    docker inspect one
    docker inspect --type volume two
    docker inspect --type volume missing
    docker inspect -s one
    docker volume
    docker volume nonsense`,
}

import type { Topic } from '../../topic.ts'

const list = `sh -c 'cd /tree; find . | sort | while read -r file; do stat -c "%n %F %a %u:%g %h %s" "$file"; done'`

export const copying: Topic = {
  title: 'copy-up',
  script: `
    docker run --rm full ${list}
    docker run --rm -v one:/tree full ${list}
    docker run --rm -v one:/x box sh -c 'cd /x && cat file && readlink absolute relative dangling && stat -c %Y file dir sparse'
    docker run --rm -v one:/x box sh -c 'cd /x && du -k sparse && [ $(stat -c %i file) = $(stat -c %i dir/same) ] && stat -c "%a %u:%g" .'
    docker run --rm --mount src=two,dst=/tree full ls /tree
    docker run --rm -v three:/tree:nocopy full sh -c 'ls -la /tree | wc -l; stat -c "%a %u:%g" /tree'
    docker run --rm -v three:/tree full ls /tree
    docker run --rm --mount src=four,dst=/tree,volume-nocopy full ls /tree
    docker run --rm -v five:/x box touch /x/own
    docker run --rm -v five:/tree full ls /tree
    docker run --rm -v /tree full ls /tree
    docker run --rm -v six:/tree:ro full ls /tree
    docker run --rm -v seven:/empty full stat -c '%a %u:%g' /empty
    docker run --rm -v seven:/tree full ls /tree
    docker run --rm -v eight:/missing full stat -c '%a %u:%g' /missing
    docker run --rm -v nine:/tree/dir full ls /tree/dir
    docker run --rm -v ten:/link full sh -c 'ls /link/; stat -c %F /link; grep -o " /tree\\| /link" /proc/mounts'
    docker run --rm -v eleven:/etc/passwd full true
    docker run --rm -v twelve:/tree/file full true
    docker run --rm -v thirteen:/tree/dangling full true
    mkdir dir && docker run --rm -v $PWD/dir:/tree full ls /tree
    docker run --rm --tmpfs /tree full ls /tree
    docker volume create -o type=tmpfs -o device=tmpfs scratch
    docker run --rm -v scratch:/tree full ls /tree
    docker create --name xx -v late:/tree full true
    docker start -a xx
    docker run --rm -v late:/x box ls /x
    docker run --rm -v both:/tree full sh -c 'rm -rf /tree/*'
    docker run --rm -v both:/tree full ls /tree
    docker run --rm -u web -v user:/x box touch /x/file
    docker run --rm -u web -v open:/tmp box sh -c 'touch /tmp/file && stat -c %u:%g /tmp/file'`,
}

export const declared: Topic = {
  title: 'volumes of the image',
  script: `
    docker run --rm declared sh -c 'cat /data/seed; grep -c -e " /data " -e " /new " /proc/mounts; ls -ld /new | cut -c 1-10'
    docker volume ls -q
    docker create --name xx declared true
    docker inspect -f '{{range .Mounts}}{{println .Type .Destination .Driver .Mode .RW .Propagation}}{{end}}' xx | sort
    docker inspect -f '{{json .Config.Volumes}} {{json .HostConfig.Binds}}' xx
    docker image inspect -f '{{json .Config.Volumes}}' declared
    docker create --name named -v data:/data declared true
    docker inspect -f '{{range .Mounts}}{{println .Type .Destination .Mode .RW}}{{end}}' named | sort
    mkdir dir && docker run --rm -v $PWD/dir:/data declared ls /data
    docker run --rm --tmpfs /data declared sh -c 'ls /data; grep " /data " /proc/mounts | cut -d " " -f 1-3'
    docker run --rm --mount type=tmpfs,dst=/data declared sh -c 'ls /data; grep " /data " /proc/mounts | cut -d " " -f 1-3'
    docker run --rm -v /data declared cat /data/seed
    docker create --name more -v /more declared true
    docker inspect -f '{{json .Config.Volumes}}' more
    docker run --name kept declared touch /data/kept
    docker start -a kept
    docker run --rm --volumes-from kept box ls /data
    docker run --rm --volumes-from kept declared ls /data`,
}

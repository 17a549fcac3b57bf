import type { Topic } from '../../topic.ts'

export const nesting: Topic = {
  title: 'targets in each other',
  script: `
    mkdir -p dir/inner && echo outer > dir/file && mkdir other && echo inner > other/file
    docker run --rm -v $PWD/other:/x/inner -v $PWD/dir:/x box cat /x/file /x/inner/file
    docker run --rm -v $PWD/dir:/x -v $PWD/other:/x/inner:ro box touch /x/inner/a
    docker run --rm -v $PWD/dir:/x:ro -v $PWD/other:/x/inner box sh -c 'touch /x/inner/a && touch /x/b'
    docker run --rm -v $PWD/dir:/x -v $PWD/other:/x/made/here box cat /x/made/here/file
    ls dir dir/made
    docker run --rm -v $PWD/dir:/x:ro -v $PWD/other:/x/new box true
    docker run --rm -v $PWD/dir:/x -v $PWD/other/file:/x/file box cat /x/file
    docker run --rm -v $PWD/dir:/x -v $PWD/other/file:/x/newfile box cat /x/newfile
    stat -c '%F %s' dir/newfile
    docker run --rm -v outer:/x -v inner:/x/a/b box sh -c 'touch /x/a/b/file; ls -R /x'
    docker run --rm -v outer:/x box ls -R /x
    docker run --rm --tmpfs /x -v $PWD/other:/x/y box ls /x/y
    docker run --rm -v $PWD/dir:/x --tmpfs /x/inner box sh -c 'ls /x /x/inner'
    docker run --rm --tmpfs /x/y/z -v $PWD/other:/x/y box true
    docker run --rm --mount type=tmpfs,dst=/x --mount type=volume,src=inner,dst=/x/y box ls /x /x/y
    docker run --rm -v one:/data/a -v two:/data box ls /data
    docker run --rm -v $PWD/dir:/a -v $PWD/dir:/b -v $PWD/dir/inner:/a/inner/x box ls /b/inner
    ln -s /etc dir/out && ln -s ../../../../etc dir/up
    docker run --rm -v $PWD/dir:/x -v $PWD/other:/x/out/sub box sh -c 'cat /etc/sub/file; ls /x'
    ls -d /etc/sub
    docker run --rm -v $PWD/dir:/x -v $PWD/other:/x/up/sub box cat /etc/sub/file
    docker run --rm -v $PWD/dir/out:/x box sh -c 'test -f /x/debian_version'
    docker run --rm -v $PWD/other:/a/../../b box cat /b/file
    docker run --rm -v $PWD/other:/../../c box cat /c/file
    docker run --rm -v $PWD/other:/bin/sh/x box true
    docker run --rm -v $PWD/other:/var/www/../www/deep box ls /var/www
    docker run --rm -v $PWD/other:/tmp box ls /tmp
    docker run --rm -v $PWD/other:/bin box true
    docker run --rm -w /x/inner -v $PWD/dir:/x box pwd
    docker run --rm -w /x/fresh -v data:/x box sh -c 'pwd; ls /x'`,
}

/**
 * Where tsnet answers otherwise about volumes and mounts, and why. Each line in which two answers differ belongs to the first of
 * these that names it; a line that belongs to none is a fault. docs/differences/volumes.md shows them with what the two answered.
 */
import type { Difference } from '../difference.ts'

export const differences: readonly Difference[] = [
  {
    title: 'Inspect tells how a volume is',
    reason:
      'Whether it is mounted, and how many containers use it, without asking a server that may be dead.',
    lines: /^\+ \[\d\]\.Status\./,
  },
  {
    title: 'Who uses a volume is named',
    reason: 'By name and not by id only.',
    lines: /volume is in use - \[ID(, ID)*\]( \([\w, ]+\))?$/,
    steps: ['docker volume rm', 'docker volume remove'],
  },
  {
    title: 'A volume that containers took from another is in use',
    reason: 'Docker 20.10 forgets them when the container that had it first is removed, and their data goes.',
    steps: ['--volumes-from: docker volume rm data', '--volumes-from: docker volume ls -q | grep data'],
  },
  {
    title: 'Filters say what would be right',
    reason: 'What Docker refuses is refused; the text says what is known.',
    lines: /^[-+] stderr: .*[Ii]nvalid filter '(?!dangling=\[false true)/,
  },
  {
    title: 'Contradictory filters',
    reason: 'Both true and false is refused, as by newer versions of Docker; 20.10 takes one of them.',
    steps: ['-f dangling=true -f dangling=false'],
  },
  {
    title: 'Options of volumes are checked when they are made',
    reason:
      'A size without a number, or a type without a device, is said at create, with what would be right; limits of size work on every file system.',
    steps: ['volume create -o size=', 'volume create -o o=size=', 'volume create -o type=tmpfs -o device= '],
  },
  {
    title: 'Drivers that are not there',
    reason:
      'It is said which there are. For a container it is a bad request: at "not found" the client pulls the image of the container, and tells of that.',
    steps: ['-d missing', 'volume-driver missing', 'volume-driver=missing'],
  },
  {
    title: 'Names that are too long',
    reason: 'It is said how long a name may be; Docker tells of the directory that it could not make.',
    steps: ['$(printf %0256d 0)'],
  },
  {
    title: 'Anonymous volumes are marked',
    reason: 'By the label that Docker gives them since version 23, which is how prune knows them.',
    lines: /com\.docker\.volume\.anonymous|^- null null$/,
  },
  {
    title: 'What is neither a path nor a name',
    reason:
      'Docker takes it for the path of an anonymous volume, relative to the root or the root itself, and mounts it there; it can only be a mistake.',
    steps: [
      "-v '' ",
      '-v : ',
      '-v :: ',
      '-v :/x',
      '-v / ',
      '-v /.. ',
      '-v x ',
      '-v ./x ',
      '-v a:/x',
      '-v ä:/x',
    ],
  },
  {
    title: 'Refused at create',
    reason:
      'What can be known when a container is created is refused then, and no container that cannot start is left. Docker creates it ' +
      'and refuses to start it; its client gives its hint only in the first case.',
    lines: /^\+ stderr: See 'docker run --help'\.$/,
    steps: ['data:/proc', '--network missing'],
  },
  {
    title: 'Nothing is left of a refusal',
    reason: 'A container that is refused has made no volumes.',
    steps: [
      'removal with containers: docker rm -f seven',
      'removal with containers: docker volume ls -q (8)',
    ],
  },
  {
    title: 'Options of a tmpfs are checked at create',
    reason: 'The refusal says which there are.',
    steps: ['--tmpfs /x:'],
    lines: /invalid tmpfs option|mounting "tmpfs"|rootfs at "\/x"|exit status|See 'docker/,
  },
  {
    title: 'A volume on a file',
    reason:
      'Is told as any mount of the wrong kind, when the container starts: what the image has there is not looked at before.',
    steps: ['eleven:/etc/passwd', 'twelve:/tree/file'],
  },
  {
    title: 'A refusal has no frame',
    reason: 'What is wrong is said without the words of the layers that it went through.',
    lines:
      /OCI runtime create failed|^\+ stderr: .*(error mounting at "|executable file not found|cannot be mounted|mkdir ROOT\/files\/file\/x: not a directory)/,
  },
  {
    title: 'A source below a file',
    reason: 'Is one that is not there.',
    steps: ['type=bind,src=$PWD/file/x,dst=/x'],
  },
  {
    title: 'Consistency is checked',
    reason: 'It has no effect on Linux, so a misspelt one is refused or it would never be noticed.',
    steps: ['consistency=nonsense'],
  },
  {
    title: 'Anonymous volumes may be read-only',
    reason: 'As in the newest Docker: an image may have filled it.',
    steps: ['type=volume,dst=/x,readonly'],
  },
  {
    title: 'One target, one mount',
    reason: 'Docker refuses two mounts at one target but for these two, of which it takes one.',
    steps: ['--mount type=tmpfs,dst=/x --tmpfs /x'],
  },
  {
    title: 'Mounted volumes are filled too',
    reason:
      'The content of the image is copied when the container starts, with the volume mounted. Docker copies at create, and loses what went into a tmpfs.',
    steps: ['-v scratch:/tree full'],
  },
  {
    title: 'A tmpfs is one container’s own',
    reason: '`--volumes-from` leaves it out. Docker 20.10 cannot take volumes from such a container at all.',
    steps: ['--volumes-from memory'],
  },
  {
    title: 'volumes-from without a container',
    reason: 'The refusal shows what was given.',
    steps: ['--volumes-from : '],
  },
  {
    title: 'File systems that the kernel has not',
    reason: 'The refusal names it. Docker mounts nothing when the device is called none and says nothing.',
    steps: ['-o type=none -o device=$PWD/dir v', '-o type=nonsense'],
  },
  {
    title: 'Read-only is so below, too',
    reason:
      'What is mounted below a read-only bind is read-only, as in Docker since version 25, for clients of every version.',
    steps: ['-v $PWD/shared:/x:ro box touch /x/sub/file'],
  },
  {
    title: 'A start that failed has a status',
    reason:
      'It is 128 for every start that came to nothing; Docker leaves 0 when it has looked at the mounts only.',
    steps: ["'{{.State.Status}} {{.State.ExitCode}}' strict"],
  },
  {
    title: 'Events of the trash',
    reason: 'What is removed can be restored, so that it was moved and that it is gone are told.',
    lines: /^\+ trash |^\+ destroy /,
    steps: ['events-of'],
  },
  {
    title: 'Events tell what happened',
    reason:
      'Docker 20.10 tells of a creation also where the volume was there, and does not tell what prune destroys.',
    lines: /^[-+] (create|destroy) /,
    steps: ['events-of'],
  },
  {
    title: 'All volumes are listed',
    reason: 'Those with options have the size -1 while they are not measured; Docker leaves them out.',
    steps: ['system df:'],
  },
]

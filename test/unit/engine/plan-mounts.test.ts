import { describe, expect, test } from 'vitest'
import type { MountPoint } from '../../../src/store/records.ts'
import { mountRequest, plan } from './samples.ts'

describe('the mounts of a container', () => {
  test('are the user’s, and an anonymous volume for each of the image’s that is not covered', () => {
    const { mounts } = plan({ mounts: [mountRequest] }, { volumes: ['/data/', '/cache'] })
    expect(mounts).toMatchObject([
      {
        type: 'volume',
        name: 'data',
        source: '',
        target: '/data',
        driver: '',
        readOnly: false,
        propagation: '',
        options: '',
        syntax: 'mount',
      },
      expect.objectContaining({
        type: 'volume',
        name: '',
        target: '/cache',
        driver: '',
        syntax: 'image',
      }),
    ])
  })

  test('have clean paths', () => {
    const bind = { ...mountRequest, type: 'bind' as const, source: '/srv//x/', target: '/a/./b//../c/' }
    const [mount] = plan({ mounts: [bind] }).mounts
    expect(mount).toMatchObject({
      source: '/srv/x',
      target: '/a/c',
      name: '',
      driver: '',
      propagation: 'rprivate',
    })
  })

  test('keep what their kind knows: propagation, options, driver, nocopy', () => {
    const bind = { ...mountRequest, type: 'bind' as const, source: '/', propagation: 'rshared' as const }
    const tmpfs = {
      ...mountRequest,
      type: 'tmpfs' as const,
      source: '',
      target: '/t',
      options: 'size=1m,exec',
    }
    const volume = {
      ...mountRequest,
      target: '/v',
      driver: 'cloud',
      noCopy: true,
      readOnly: true,
      subpath: './a//b/',
    }
    expect(plan({ mounts: [bind, tmpfs, volume] }).mounts).toMatchObject([
      { source: '/', propagation: 'rshared', options: '' },
      { source: '', propagation: '', options: 'size=1m,exec', driver: '' },
      { propagation: '', noCopy: true, driver: 'cloud', readOnly: true, subpath: 'a/b' },
    ])
  })

  test.each([
    [
      'two on one target',
      [mountRequest, { ...mountRequest, target: '/data/' }],
      'Duplicate mount point: /data',
    ],
    [
      'a relative target',
      [{ ...mountRequest, target: 'data' }],
      "invalid mount path: 'data' mount path must be absolute",
    ],
    ['the root as target', [{ ...mountRequest, target: '/a/..' }], "destination can't be '/'"],
    [
      'a relative source',
      [{ ...mountRequest, type: 'bind' as const, source: 'src' }],
      'invalid mount config for type "bind": invalid mount path: \'src\' mount path must be absolute',
    ],
    [
      'an option that no tmpfs has',
      [{ ...mountRequest, type: 'tmpfs' as const, options: 'size=1m,colour=red' }],
      'invalid tmpfs option "colour=red": there are',
    ],
    [
      'an image that there is not',
      [{ ...mountRequest, type: 'image' as const, source: 'missing' }],
      'No such image: missing',
    ],
    [
      'a private view of the data root',
      [
        {
          ...mountRequest,
          type: 'bind' as const,
          source: '/var/lib/tsnet/x',
          propagation: 'private' as const,
        },
      ],
      'must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root',
    ],
  ])('refuse %s', (_, mounts, sentence) => {
    expect(() => plan({ mounts })).toThrow(sentence)
  })

  test('refuse a relative VOLUME of the image', () => {
    expect(() => plan({}, { volumes: ['data'] })).toThrow('mount path must be absolute')
  })

  test('tell a target that --mount gave twice as it was given', () => {
    const again = { ...mountRequest, target: '/data/', syntax: 'mount' as const }
    expect(() => plan({ mounts: [{ ...mountRequest, syntax: 'bind-string' }, again] })).toThrow(
      /^Duplicate mount point: \/data\/$/,
    )
  })

  test.each([
    ['/proc', '/srv', '"/proc" cannot be mounted because it is not of type proc'],
    ['/x/../proc/sys/', '/srv', '"/proc/sys" cannot be mounted because it is inside /proc'],
    ['/proc/1/cpuinfo', '/srv', '"/proc/1/cpuinfo" cannot be mounted because it is inside /proc'],
  ])('do not cover %s', (target, source, sentence) => {
    expect(() => plan({ mounts: [{ ...mountRequest, type: 'bind', source, target }] })).toThrow(
      `invalid mount config for type "bind": ${sentence}`,
    )
    expect(() => plan({ mounts: [{ ...mountRequest, type: 'tmpfs', source: '', target }] })).toThrow(sentence)
    expect(() => plan({}, { volumes: [target] })).toThrow(sentence)
  })

  test.each([
    ['/proc', '/proc'],
    ['/proc/cpuinfo', '/var/lib/lxcfs/proc/cpuinfo'],
    ['/process', '/srv'],
    ['/sys', '/srv'],
  ])('may cover %s by %s', (target, source) => {
    const [mount] = plan({ mounts: [{ ...mountRequest, type: 'bind', source, target }] }).mounts
    expect(mount?.target).toBe(target)
  })

  test.each([
    ['/', '', 'rslave'],
    ['/var/lib', '', 'rslave'],
    ['/var/lib/tsnet', '', 'rslave'],
    ['/var/lib/tsnet/volumes', 'rshared', 'rshared'],
    ['/var/lib/tsnet2', '', 'rprivate'],
    ['/var/lib/tsnet2', 'private', 'private'],
    ['/srv', '', 'rprivate'],
  ] as const)('of the host’s %s, asked to be %j, are %s', (source, wanted, propagation) => {
    const request = { ...mountRequest, type: 'bind', source, propagation: wanted } as const
    expect(plan({ mounts: [request] }).mounts).toMatchObject([{ source, propagation }])
  })

  test('of an image are read-only and know its id', () => {
    const request = { ...mountRequest, type: 'image', source: 'demo:1', subpath: 'etc/.' } as const
    expect(plan({ mounts: [request] }).mounts).toMatchObject([
      { type: 'image', name: 'demo:1', source: 'sha256:demo:1', readOnly: true, subpath: 'etc', driver: '' },
    ])
  })

  test('take the container’s volume driver where they name none, but those of --mount', () => {
    const mounts = (['bind-string', 'anonymous', 'mount'] as const).map((syntax) => ({
      ...mountRequest,
      source: '',
      target: `/${syntax}`,
      syntax,
    }))
    const planned = plan({ mounts, volumeDriver: 'nfs' }, { volumes: ['/image'] }).mounts
    expect(Object.fromEntries(planned.map(({ target, driver }) => [target, driver]))).toEqual({
      '/bind-string': 'nfs',
      '/mount': '',
      '/image': 'nfs',
      '/anonymous': 'nfs',
    })
  })

  test('that are asked for win over those of other containers, and these over anonymous volumes', () => {
    const point = (target: string): MountPoint => {
      const [mount] = plan({ mounts: [{ ...mountRequest, source: 'theirs', target }] }).mounts
      return { ...mount!, syntax: 'volumes-from' }
    }
    const mounts = [
      { ...mountRequest, source: 'mine', target: '/a' },
      { ...mountRequest, source: '', target: '/b/', syntax: 'anonymous' as const },
      { ...mountRequest, source: '', target: '/c', syntax: 'anonymous' as const },
      { ...mountRequest, type: 'tmpfs' as const, source: '', target: '/d', syntax: 'tmpfs-flag' as const },
    ]
    const taken = ['/a', '/b', '/d', '/e', '/f'].map(point)
    const planned = plan({ mounts }, { volumes: ['/e/', '/a', '/g'] }, taken).mounts
    expect(planned.map(({ target, type, name }) => [target, type, name])).toEqual([
      ['/a', 'volume', 'mine'],
      ['/d', 'tmpfs', ''],
      ['/b', 'volume', 'theirs'],
      ['/e', 'volume', 'theirs'],
      ['/f', 'volume', 'theirs'],
      ['/g', 'volume', ''],
      ['/c', 'volume', ''],
    ])
  })
})

import { describe, expect, test } from 'vitest'
import { isNetworkType, resolveServer } from '../../../src/volumes/worker/server.ts'
import { withServer } from '../../helpers/answering-port.ts'

const resolved = async (type: string, device: string, options: string): Promise<string> =>
  (await resolveServer({ type, device, options, target: '/mnt' })).options

test('file systems of servers are known from others', () => {
  expect(['nfs', 'nfs4', 'cifs', 'smb3', 'ext4', 'constructor'].filter(isNetworkType)).toEqual([
    'nfs',
    'nfs4',
    'cifs',
    'smb3',
  ])
})

describe('a server', () => {
  test('that refuses connections is found out before the mount', async () => {
    const closed = await withServer(async (port) => port)
    await expect(resolved('nfs', ':/x', `addr=127.0.0.1,port=${closed}`)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'volume-server',
      message: `nfs server 127.0.0.1 does not answer on port ${closed}: connection refused`,
    })
  })

  test('whose name nobody knows is told of', async () => {
    await expect(resolved('nfs4', 'server.invalid:/x', '')).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(
        /^error resolving passed in network volume address: lookup server\.invalid: /,
      ),
    })
  })

  test('of NFS is given to the kernel as an address, and waited for with an end', async () => {
    await withServer(async (port) => {
      const others = `port=${port},vers=4`
      const expected = `addr=127.0.0.1,${others},soft,timeo=100,retrans=2`
      expect(await resolved('nfs', ':/x', `addr=127.0.0.1,${others}`)).toBe(expected)
      expect(await resolved('nfs', '127.0.0.1:/x', others)).toBe(expected)
      expect(await resolved('nfs', 'localhost:/x', others)).toMatch(/^addr=127\.0\.0\.1,/)
    })
  })

  test('of NFS is waited for without an end when the options say so, or as long as they say', async () => {
    await withServer(async (port) => {
      const given = `port=${port},hard`
      expect(await resolved('nfs', '127.0.0.1:/x', given)).toBe(`addr=127.0.0.1,${given}`)
      const timed = `port=${port},timeo=7`
      expect(await resolved('nfs', '127.0.0.1:/x', timed)).toBe(`addr=127.0.0.1,${timed},soft,retrans=2`)
    })
  })

  test('that is asked by UDP is not asked for a connection', async () => {
    const closed = await withServer(async (port) => port)
    expect(await resolved('nfs', '127.0.0.1:/x', `proto=udp,port=${closed},hard`)).toContain('addr=127.0.0.1')
  })

  test('of SMB keeps its name in the device, and secrets stay as they are', async () => {
    await withServer(async (port) => {
      const source = {
        type: 'cifs',
        device: '//127.0.0.1/share',
        options: `password=a b,port=${port}`,
        target: '/mnt',
      }
      expect(await resolveServer(source)).toEqual({ ...source, options: `ip=127.0.0.1,${source.options}` })
    })
  })

  test('that nothing names is the kernel’s affair', async () => {
    expect(await resolved('nfs', '/x', 'vers=4')).toBe('vers=4')
  })
})

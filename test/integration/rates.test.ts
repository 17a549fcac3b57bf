/** How fast containers send and receive: limits given with run, and changed while they run. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const { docker, tsnet, inspect, addressOf } = new TestClient(daemon)

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await docker('network', 'create', 'net')
  const program = ['box', 'sh', '-c', 'head -c 1000000 /dev/zero >/var/www/megabyte; httpd -f -h /var/www']
  await tsnet('run', '-d', '--name', 'free', '--network', 'net', ...program)
  const rates = ['--net-rate', '8mbit,burst=16k', '--net-rate-in', '16mbit,burst=16k']
  await tsnet('run', '-d', '--name', 'slow', '--network', 'net', ...rates, ...program)
  for (const name of ['free', 'slow'])
    await docker(
      'exec',
      name,
      'sh',
      '-c',
      'until wget -qO /dev/null http://127.0.0.1/megabyte; do usleep 20000; done',
    )
})
afterAll(() => daemon.stop())

/** Milliseconds that a megabyte takes from one container to another. */
async function transfer(from: string, to: string): Promise<number> {
  const start = performance.now()
  const address = await addressOf(from, 'net')
  expect(await docker('exec', to, 'sh', '-c', `wget -qO- http://${address}/megabyte | wc -c`)).toBe('1000000')
  return performance.now() - start
}

describe('a container with rates', () => {
  test('sends and receives as fast as they say', async () => {
    // A megabyte is 8 Mbit, that is 984 and 492 ms; the bursts, of which each bucket has one, go at once.
    const [sent, received] = [await transfer('slow', 'free'), await transfer('free', 'slow')]
    expect(sent).toBeGreaterThan(900)
    expect(received).toBeGreaterThan(450)
    // not a tenth as fast either, whatever else the machine does
    expect(sent).toBeLessThan(4000)
    expect(received).toBeLessThan(3500)
  })

  test('shows them in inspect', async () => {
    expect((await inspect('container', 'slow')).NetworkSettings.Networks['net']?.DriverOpts).toEqual({
      'tsnet.endpoint.rate_out': '8mbit,burst=16k',
      'tsnet.endpoint.rate_in': '16mbit,burst=16k',
    })
  })

  test('gets others while it runs, and keeps them over a restart', async () => {
    const limits = async (): Promise<string[]> => {
      const inside = daemon.inNetns('sh', ['-c', 'tc qdisc show | grep -o "rate [0-9A-Za-z]*"'])
      return inside.trim().split('\n')
    }
    await tsnet('update', '--net-rate-in', '40mbit', 'slow')
    expect(await limits()).toEqual(['rate 40Mbit'])
    await docker('restart', '-t', '0', 'slow')
    expect(await limits()).toEqual(['rate 40Mbit'])
    await tsnet('update', '--net-rate-in', '', 'slow')
    expect((await daemon.exec('sh', '-c', 'tc qdisc show | grep -c tbf')).stdout).toBe('0\n')
  })

  test('is not made with rates that are none', async () => {
    const made = await daemon.tsnet('create', '--net-rate', 'fast', 'box', 'true')
    expect([made.code, made.stderr]).toEqual([1, expect.stringContaining('rate "fast" is not understood')])
    const changed = await daemon.tsnet('update', '--net-rate', 'fast', 'slow')
    expect([changed.code, changed.stderr]).toEqual([
      1,
      expect.stringContaining('rate "fast" is not understood'),
    ])
    await tsnet('create', '--name', 'alone', '--network', 'none', 'box', 'true')
    expect((await daemon.tsnet('update', '--net-rate', '1mbit', 'alone')).stderr).toContain(
      'container alone is on no bridge network',
    )
  })
})

/** Two hundred sandboxes of a runtime, in turn and all at once, over tsnet as its CNI plugin; with kills of the daemon in between. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type CniRequest, Runtime } from '../helpers/cni.ts'
import { TestDaemon } from '../helpers/daemon.ts'

interface Result {
  readonly ips: readonly { address: string }[]
}

const count = 200
/** A runtime has as many calls under way as it has workers. */
const workers = 20

const root = mkdtempSync(join(tmpdir(), 'tsnet-cni-chaos-'))
const daemon = await TestDaemon.start()
const runtime = new Runtime(daemon.netns)
const requests: CniRequest[] = []
afterAll(async () => {
  runtime.clear()
  await daemon.stop()
  rmSync(root, { recursive: true, force: true })
})

const veths = (): number => [...daemon.inNetns('ip', ['-o', 'link']).matchAll(/^\d+: veth/gm)].length
const hasRules = (): boolean => /\b9[01]\d\d\b/.test(daemon.inNetns('nft', ['list', 'ruleset']))

function prepare(host: string): void {
  runtime.clear()
  requests.length = 0
  for (let index = 0; index < count; index++) {
    const port = { hostPort: 9000 + index, containerPort: 80, protocol: 'tcp' }
    requests.push({
      containerId: `c${index}`,
      netns: runtime.sandbox(`c${index}`),
      config: {
        ...{
          cniVersion: '1.1.0',
          name: 'crowd',
          type: 'tsnet',
          bridge: 'crowd0',
          host,
          stateDir: join(root, 'state'),
        },
        ipam: { subnet: '10.76.0.0/16' },
        runtimeConfig: { portMappings: [port] },
      },
    })
  }
}

/** Calls for all sandboxes. Each call is repeated until it succeeds, as a kubelet would. */
async function all(command: 'ADD' | 'DEL', width: number): Promise<Result[]> {
  const results: Result[] = []
  const rest = requests.entries()
  const work = async (): Promise<void> => {
    for (const [index, request] of rest) {
      for (let attempt = 1; ; attempt++) {
        const { code, json } = await runtime.call(command, request)
        if (code === 0) {
          results[index] = json as Result
          break
        }
        if (attempt === 20) throw new Error(`${command} ${request.containerId}: ${JSON.stringify(json)}`)
        if (command === 'ADD') await runtime.call('DEL', request)
      }
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  return results
}

function expectDistinct(results: readonly Result[]): void {
  expect(new Set(results.map(({ ips }) => ips[0]?.address)).size).toBe(count)
  expect(veths()).toBe(count)
}

for (const [title, width] of [
  ['in turn', 1],
  ['at once', workers],
] as const) {
  test(`${count} sandboxes ${title} over the daemon have addresses of their own and leave nothing`, async () => {
    prepare(`unix://${daemon.socket}`)
    expectDistinct(await all('ADD', width))
    await all('DEL', width)
    expect(veths()).toBe(0)
    expect(hasRules()).toBe(false)
  })
}

test(`${count} sandboxes at once without a daemon have addresses of their own and leave nothing`, async () => {
  await daemon.terminate()
  await daemon.launch()
  prepare('unix:///nobody')
  expectDistinct(await all('ADD', workers))
  await all('DEL', workers)
  expect(veths()).toBe(0)
  expect(hasRules()).toBe(false)
  expect(readdirSync(join(root, 'state', 'pods'))).toEqual([])
  expect(daemon.inNetns('ip', ['-o', 'link'])).not.toContain('crowd0')
})

test('a daemon that is killed again and again meanwhile loses and leaves nothing', async () => {
  prepare(`unix://${daemon.socket}`)
  let isDone = false
  const killing = (async () => {
    while (!isDone) {
      await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 1500))
      await daemon.kill()
      await daemon.launch()
    }
  })()
  try {
    await all('ADD', 4)
  } finally {
    isDone = true
    await killing
  }
  expect(veths()).toBe(count)
  await all('DEL', workers)
  expect(veths()).toBe(0)
  expect(hasRules()).toBe(false)
})

test('a daemon that is stuck keeps a runtime for less than a minute', async () => {
  const host = `unix://${daemon.socket}`
  const config = { cniVersion: '1.1.0', name: 'stuck', type: 'tsnet', host, stateDir: join(root, 'state') }
  const request = { containerId: 'stuck', netns: runtime.sandbox('stuck'), config }
  process.kill(daemon.pid, 'SIGSTOP')
  try {
    const { code, json } = await runtime.call('ADD', request)
    expect([code, json]).toMatchObject([1, { code: 11, msg: expect.stringContaining('no answer within') }])
  } finally {
    process.kill(daemon.pid, 'SIGCONT')
  }
  // What it was still asked is done by now, or comes before this.
  await runtime.ask('DEL', request)
})

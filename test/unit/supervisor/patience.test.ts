import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import type { InitPlan } from '../../../src/init/steps.ts'
import { watchInit } from '../../../src/supervisor/patience.ts'

const plan = {
  steps: [{ op: 'clone-sources', sources: [{ path: '/srv/one' }, { path: '/srv/two' }] }],
} as unknown as InitPlan

/** What is said of a process that calls itself so, and does not come further; '' when nothing is within half a second. */
async function saidOf(name: string, patience: number): Promise<string> {
  const script = 'printf %s "$0" > /proc/self/comm; printf x; while read -r _; do :; done'
  const child = spawn('/bin/sh', ['-c', script, name], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const said = Promise.withResolvers<string>()
  const end = watchInit(child.pid ?? 0, plan, patience, said.resolve)
  const timer = setTimeout(said.resolve, 500, '')
  const why = await said.promise
  clearTimeout(timer)
  end()
  child.stdin.end()
  return why
}

test.each([
  ['source 1', 'mount source /srv/two did not answer within 0.12 seconds: is its file system dead?'],
  ['copy 0 17', 'copying into /srv/one did not go on for 0.12 seconds: is its file system dead?'],
  ['node', 'init did not come further for 0.12 seconds'],
])('what stays at %j is given up, and where it was is said', async (name, why) => {
  expect(await saidOf(name, 120)).toBe(why)
})

test('who waits for another start to fill a volume has more time', async () => {
  expect(await saidOf('wait 0', 120)).toBe('')
  expect(await saidOf('wait 0', 12)).toBe(
    'another container has been filling /srv/one for 0.24 seconds: try again',
  )
})

test('what comes further is never given up', async () => {
  const script = 'n=0; while :; do n=$((n+1)); printf "copy 0 $n" > /proc/self/comm; done'
  const child = spawn('/bin/sh', ['-c', script], { stdio: 'ignore' })
  let why = ''
  const end = watchInit(child.pid ?? 0, plan, 1000, (said) => {
    why = said
  })
  await new Promise((resolve) => setTimeout(resolve, 1500))
  end()
  child.kill('SIGKILL')
  expect(why).toBe('')
})

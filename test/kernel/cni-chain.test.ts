/** The verbs of CNI over plugins that are shell scripts and note what they are told. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  addTo,
  agreeOnVersion,
  askStatus,
  type ChainOptions,
  checkIn,
  collectGarbage,
  type NetworkInUse,
  removeFrom,
} from '../../src/cni/chain.ts'
import { type NetworkList, parseNetworkList } from '../../src/cni/network-list.ts'
import { runProgram } from '../../src/cni/program.ts'

let directory: string
let options: ChainOptions
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-chain-'))
  options = { directories: [directory], deadline: 10_000 }
})
afterEach(() => rmSync(directory, { recursive: true }))

function plugin(name: string, body: string): void {
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
}

/** Notes a line of its name, the verb and the environment, and the configuration in a file; answers what is given for ADD. */
function recorder(name: string, speaks: readonly string[], answer: object, failing = ''): void {
  plugin(
    name,
    `log=${directory}/log
[ "$CNI_COMMAND" = VERSION ] && { echo '${JSON.stringify({ cniVersion: '1.0.0', supportedVersions: speaks })}'; exit; }
echo "${name} $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS $CNI_ARGS" >>"$log"
cat >"${directory}/${name}.$CNI_COMMAND"
[ "$CNI_COMMAND" = "${failing}" ] && { echo '{"code":50,"msg":"not ready"}'; exit 1; }
[ "$CNI_COMMAND" = ADD ] && echo '${JSON.stringify(answer)}'
exit 0`,
  )
}

const log = (): string[] =>
  existsSync(join(directory, 'log')) ? readFileSync(join(directory, 'log'), 'utf8').trim().split('\n') : []
const told = (name: string, verb: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(directory, `${name}.${verb}`), 'utf8'))

function listOf(more: object = {}): NetworkList {
  const plugins = [
    { type: 'first', colour: 'blue', capabilities: { ips: true, portMappings: false } },
    { type: 'second', capabilities: { portMappings: true } },
  ]
  return parseNetworkList(
    '/x.conflist',
    JSON.stringify({ cniVersion: '1.1.0', name: 'net', plugins, ...more }),
  )
}

const all = ['0.4.0', '1.0.0', '1.1.0']
const attachment = {
  containerId: 'c1',
  netns: '/ns',
  interfaceName: 'eth0',
  args: 'A=1',
  capabilityArgs: { ips: ['10.0.0.2'], portMappings: [{ hostPort: 1 }], bandwidth: {} },
}

describe('a list of plugins', () => {
  test('is gone through forward by ADD and CHECK and backward by DEL, each told the result before it', async () => {
    recorder('first', all, { ips: [1] })
    recorder('second', all, { ips: [1, 2] })
    const use: NetworkInUse = { list: listOf(), version: '1.1.0' }
    const result = await addTo(use, attachment, options)
    expect(result).toEqual({ ips: [1, 2] })
    await checkIn(use, attachment, result, options)
    await removeFrom(use, { ...attachment, netns: '' }, result, options)
    expect(log()).toEqual([
      ...['first', 'second'].map((name) => `${name} ADD c1 eth0 /ns A=1`),
      ...['first', 'second'].map((name) => `${name} CHECK c1 eth0 /ns A=1`),
      ...['second', 'first'].map((name) => `${name} DEL c1 eth0  A=1`),
    ])
    expect(told('first', 'ADD')).toEqual({
      type: 'first',
      colour: 'blue',
      name: 'net',
      cniVersion: '1.1.0',
      runtimeConfig: { ips: ['10.0.0.2'] },
    })
    expect(told('second', 'ADD')).toMatchObject({
      prevResult: { ips: [1] },
      runtimeConfig: { portMappings: [{ hostPort: 1 }] },
    })
    for (const name of ['first', 'second']) expect(told(name, 'DEL')).toMatchObject({ prevResult: result })
  })

  test('is asked for its state and told what is attached from version 1.1.0 on, unless it forbids that', async () => {
    recorder('first', all, {})
    recorder('second', all, {}, 'STATUS')
    const use: NetworkInUse = { list: listOf(), version: '1.1.0' }
    await expect(askStatus(use, options)).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'CNI plugin second (STATUS): not ready',
    })
    await collectGarbage(use, [{ containerId: 'c1', interfaceName: 'eth0' }], options)
    expect(told('second', 'GC')).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
    })
    const before = log()
    await askStatus({ list: listOf(), version: '1.0.0' }, options)
    await collectGarbage({ list: listOf(), version: '1.0.0' }, [], options)
    await collectGarbage({ list: listOf({ disableGC: true }), version: '1.1.0' }, [], options)
    await checkIn({ list: listOf({ disableCheck: 'true' }), version: '1.1.0' }, attachment, {}, options)
    expect(log()).toEqual(before)
  })

  test('is spoken to in the newest version that it and all its plugins know', async () => {
    recorder('first', all, {})
    recorder('second', ['0.3.1', '0.4.0', '1.0.0'], {})
    const wanted = { cniVersion: '0.4.0', cniVersions: ['1.0.0', '1.1.0'] }
    expect(await agreeOnVersion(listOf(wanted), options)).toBe('1.0.0')
    await expect(agreeOnVersion(listOf(), options)).rejects.toThrow(/second speaks 0\.3\.1, 0\.4\.0, 1\.0\.0/)
  })

  test('is taken back whole although one of its plugins fails', async () => {
    recorder('first', all, {})
    recorder('second', all, {}, 'DEL')
    const use: NetworkInUse = { list: listOf(), version: '1.0.0' }
    await expect(removeFrom(use, attachment, null, options)).rejects.toThrow('CNI plugin second (DEL)')
    expect(log().map((line) => line.split(' ', 1)[0])).toEqual(['second', 'first'])
  })
})

describe('a plugin that does not end', () => {
  test('is killed with its children when its time is over', async () => {
    plugin('first', `sleep 300 & echo $! >${directory}/child; wait`)
    const call = { plugin: 'first', directories: [directory], environment: { CNI_COMMAND: 'ADD' }, input: '' }
    await expect(runProgram({ ...call, deadline: 500 })).rejects.toMatchObject({ code: 'cni-silent' })
    const child = Number(readFileSync(join(directory, 'child'), 'utf8'))
    await expect
      .poll(
        () => !existsSync(`/proc/${child}`) || readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z'),
      )
      .toBe(true)
  })

  test('but leaves a child behind that holds its output open keeps nobody waiting', async () => {
    plugin('first', `setsid sleep 5 & echo '{}'`)
    const began = performance.now()
    const call = { plugin: 'first', directories: [directory], environment: {}, input: '', deadline: 10_000 }
    expect(await runProgram(call)).toMatchObject({ isSuccess: true, stdout: '{}\n' })
    expect(performance.now() - began).toBeLessThan(4000)
  })
})

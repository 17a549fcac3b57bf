import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  removeUserNamespace,
  requireUserNamespace,
  sweepUserNamespaces,
} from '../../src/sandbox/user-namespace.ts'
import { readMounts } from '../../src/sys/mountinfo.ts'

const one = 'uid:1000:0:1;gid:1000:0:1'
const other = 'uid:0:100000:65536'
let execRoot = ''
beforeEach(() => {
  execRoot = mkdtempSync(join(tmpdir(), 'tsnet-userns-'))
})
afterEach(() => {
  sweepUserNamespaces(execRoot, [])
  rmSync(execRoot, { recursive: true })
})

const pins = (): string[] => readdirSync(join(execRoot, 'userns'))
const mounted = (): number => readMounts().filter(({ target }) => target.startsWith(execRoot)).length

test('each mapping has one namespace, which stays as long as its pin does and no process lives in', async () => {
  const [path, again] = await Promise.all([
    requireUserNamespace(execRoot, one),
    requireUserNamespace(execRoot, one),
  ])
  expect(again).toBe(path)
  expect(await requireUserNamespace(execRoot, one)).toBe(path)
  expect(await requireUserNamespace(execRoot, other)).not.toBe(path)
  expect(pins()).toHaveLength(2)
  expect(mounted()).toBe(2)
  expect(statSync(path).ino).not.toBe(statSync('/proc/self/ns/user').ino)
  removeUserNamespace(execRoot, one)
  removeUserNamespace(execRoot, one)
  expect(pins()).toHaveLength(1)
  expect(mounted()).toBe(1)
})

test('a sweep removes what no mapping in use needs', async () => {
  const path = await requireUserNamespace(execRoot, one)
  await requireUserNamespace(execRoot, other)
  sweepUserNamespaces(execRoot, [one])
  expect(pins()).toEqual([path.slice(path.lastIndexOf('/') + 1)])
  sweepUserNamespaces(execRoot, [])
  expect(pins()).toEqual([])
  expect(mounted()).toBe(0)
})

test('the file that a killed daemon left without its mount is used again', async () => {
  const path = await requireUserNamespace(execRoot, one)
  removeUserNamespace(execRoot, one)
  writeFileSync(path, '')
  expect(await requireUserNamespace(execRoot, one)).toBe(path)
  expect(mounted()).toBe(1)
})

test('a mapping that the kernel does not take leaves nothing', async () => {
  const max = readFileSync('/proc/sys/user/max_user_namespaces', 'utf8')
  expect(Number(max)).toBeGreaterThan(0)
  await expect(requireUserNamespace(execRoot, 'uid:1:0')).rejects.toMatchObject({ kind: 'invalid' })
  expect(mounted()).toBe(0)
})

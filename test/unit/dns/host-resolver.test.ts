import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HostResolver } from '../../../src/dns/host-resolver.ts'

let directory: string
let path: string
let resolver: HostResolver
let changes: number

const names = (...servers: string[]) => servers.map((server) => `nameserver ${server}\n`).join('')

function create(servers: readonly string[] = []): HostResolver {
  return new HostResolver({ path, servers, search: [], options: [] })
}

/** Until the change was told, for two seconds at most. */
async function told(count: number): Promise<void> {
  for (let i = 0; changes < count && i < 200; i++) await delay(10)
  expect(changes).toBe(count)
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-resolver-'))
  path = join(directory, 'resolv.conf')
  writeFileSync(path, names('192.0.2.1'))
  resolver = create()
  changes = 0
  resolver.follow(() => changes++)
})

afterEach(() => {
  resolver.close()
  rmSync(directory, { recursive: true })
})

describe('the host’s servers', () => {
  test('are the file’s, before it is followed and after', () => {
    expect(create().servers).toEqual(['192.0.2.1'])
    expect(resolver.servers).toEqual(['192.0.2.1'])
  })

  test('are the daemon’s where it was given some', () => {
    expect(create(['192.0.2.9']).servers).toEqual(['192.0.2.9'])
  })

  test('are public ones where the host names none, which are not taken for its own', () => {
    writeFileSync(path, 'search corp.example\n')
    const other = create()
    expect(other.servers.slice(0, 2)).toEqual(['8.8.8.8', '8.8.4.4'])
    expect(other.ownServers).toEqual([])
    unlinkSync(path)
    expect(create().servers).toHaveLength(3)
  })
})

describe('a change is told once, and the next question is for the new server, when the file is', () => {
  test('written in place', async () => {
    writeFileSync(path, names('192.0.2.2'))
    await told(1)
    expect(resolver.servers).toEqual(['192.0.2.2'])
  })

  test('replaced by another, again and again', async () => {
    for (let i = 1; i <= 3; i++) {
      writeFileSync(`${path}.new`, names(`198.51.100.${i}`))
      renameSync(`${path}.new`, path)
      await told(i)
      expect(resolver.servers).toEqual([`198.51.100.${i}`])
    }
  })

  test('replaced by a link, whose target changes, and which is turned', async () => {
    mkdirSync(join(directory, 'run'))
    const target = join(directory, 'run/stub.conf')
    writeFileSync(target, names('127.0.0.53'))
    unlinkSync(path)
    symlinkSync('run/stub.conf', path)
    await told(1)
    expect(resolver.servers).toEqual(['127.0.0.53'])
    writeFileSync(`${target}.new`, names('127.0.0.54'))
    renameSync(`${target}.new`, target)
    await told(2)
    expect(resolver.servers).toEqual(['127.0.0.54'])
    writeFileSync(join(directory, 'other.conf'), names('192.0.2.3'))
    symlinkSync('other.conf', `${path}.new`)
    renameSync(`${path}.new`, path)
    await told(3)
    expect(resolver.servers).toEqual(['192.0.2.3'])
  })

  test('removed and there again', async () => {
    unlinkSync(path)
    await told(1)
    expect(resolver.text).toBe('')
    writeFileSync(path, names('192.0.2.4'))
    await told(2)
    expect(resolver.servers).toEqual(['192.0.2.4'])
  })
})

test('a link into a directory that is not there yet, or no more, is followed once it is', async () => {
  unlinkSync(path)
  symlinkSync('run/later/resolv.conf', path)
  await told(1)
  const later = join(directory, 'run/later')
  mkdirSync(later, { recursive: true })
  writeFileSync(join(later, 'resolv.conf'), names('192.0.2.5'))
  await told(2)
  expect(resolver.servers).toEqual(['192.0.2.5'])
  rmSync(join(directory, 'run'), { recursive: true })
  await told(3)
  expect(resolver.text).toBe('')
  mkdirSync(later, { recursive: true })
  await delay(200)
  writeFileSync(join(later, 'resolv.conf'), names('192.0.2.6'))
  await told(4)
  expect(resolver.servers).toEqual(['192.0.2.6'])
})

test('neighbours in the same directory do not matter', async () => {
  writeFileSync(join(directory, 'hosts'), 'x')
  writeFileSync(path, names('192.0.2.1'))
  await delay(150)
  expect(changes).toBe(0)
})

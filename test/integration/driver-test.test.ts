/** `tsnet driver new` and `tsnet driver test`, on what comes with tsnet and on drivers that do otherwise than they should. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Result, repository, run } from '../helpers/daemon.ts'
import { serveIpam } from '../helpers/ipam-service.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-driver-new-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const tsnet = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> =>
  run(process.execPath, [join(repository, 'dist/cli.cjs'), ...args], { env })

const titles = (stdout: string): string[] => stdout.split('\n').filter((line) => /^ {2}(ok|FAIL) /.test(line))

describe('a new driver', () => {
  test.each([
    ['network', 7],
    ['ipam', 9],
    ['volume', 7],
  ])('of kind %s passes all checks', async (kind, count) => {
    const file = join(directory, `my-${kind}.ts`)
    expect((await tsnet(['driver', 'new', kind, file])).stdout).toContain(`tsnet driver test ${file}`)
    expect((await tsnet(['driver', 'new', kind, file])).stderr).toContain('it is there already')
    const opts = kind === 'volume' ? ['--opt', `base=${directory}/base`] : []
    const { code, stdout } = await tsnet(['driver', 'test', ...opts, file])
    expect(stdout).toContain(`${kind} driver my-${kind}`)
    expect(titles(stdout).filter((line) => line.startsWith('  ok'))).toHaveLength(count)
    expect(code).toBe(0)
  })
})

describe('the example', () => {
  const example = (name: string): string => join(repository, 'examples', `${name}.ts`)

  test('point-to-point passes all checks, and leaves nothing outside its namespace', async () => {
    const links = () =>
      execFileSync('ip', ['-d', '-o', 'link'], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line.includes('tsnet-test/'))
    const before = links()
    const { code, stdout } = await tsnet(['driver', 'test', example('point-to-point')])
    expect(stdout).toMatch(/all is well\n$/)
    expect(code).toBe(0)
    expect(links()).toEqual(before)
  })

  test('http-ipam passes all checks with a service that answers', async () => {
    const service = createServer(serveIpam()).listen(0, '127.0.0.1')
    await new Promise((resolve) => service.once('listening', resolve))
    const { port } = service.address() as AddressInfo
    const { code, stdout } = await tsnet(['driver', 'test', example('http-ipam')], {
      IPAM_URL: `http://127.0.0.1:${port}`,
    })
    service.closeAllConnections()
    service.close()
    expect(stdout).toMatch(/all is well\n$/)
    expect(code).toBe(0)
  })

  test('rclone-sync passes all checks with a directory as its remote', async () => {
    const opts = ['-o', `base=${directory}/local`, '-o', `remote=${directory}/remote/{}`]
    const { code, stdout } = await tsnet(['driver', 'test', ...opts, example('rclone-sync')])
    expect(stdout).toMatch(/all is well\n$/)
    expect(code).toBe(0)
    expect(readdirSync(join(directory, 'remote')).length).toBeGreaterThan(0)
  })
})

test.each(['new/network', 'new/ipam', 'new/volume', 'point-to-point'])(
  '%s passes all checks in a thread of its own',
  async (name) => {
    const file = join(directory, `isolated-${name.replace('/', '-')}.ts`)
    const text = readFileSync(join(repository, 'examples', `${name}.ts`), 'utf8')
    writeFileSync(file, text.replace('apiVersion: 1,', "apiVersion: 1, isolation: 'worker',"))
    const opts = name === 'new/volume' ? ['--opt', `base=${directory}/isolated`] : []
    const { code, stdout, stderr } = await tsnet(['driver', 'test', ...opts, file])
    expect(stdout).toMatch(/all is well\n$/)
    expect(stderr).toBe('')
    expect(code).toBe(0)
  },
)

describe('a driver that does otherwise', () => {
  const tried = async (name: string, text: string): Promise<Result> => {
    const file = join(directory, `${name}.ts`)
    writeFileSync(file, text)
    return tsnet(['driver', 'test', file])
  }

  test('fails by the titles of what it does not do', async () => {
    const { code, stdout } = await tried(
      'forgetful',
      `import { mkdtempSync, mkdirSync } from 'node:fs'
       export default { apiVersion: 1, volume: {
         create({ name }) { const path = ${JSON.stringify(directory)} + '/' + name; mkdirSync(path, { recursive: true }); return path },
         remove() {},
       } }`,
    )
    expect(titles(stdout)).toContainEqual(
      expect.stringMatching(/FAIL {2}is gone after its removal, also after a second one/),
    )
    expect(titles(stdout)).toContainEqual(expect.stringMatching(/ok {4}is made/))
    expect(code).toBe(1)
  })

  test('fails when it gives one address to two', async () => {
    const { code, stdout } = await tried(
      'twice',
      `let n = 0
       export default { apiVersion: 1, ipam: {
         requestPool: () => ({ subnet: '10.201.' + n++ + '.0/24' }), releasePool() {},
         lease: ({ subnet }) => subnet.replace('0/24', '9'), release() {},
       } }`,
    )
    expect(stdout).toMatch(/FAIL {2}gives every owner an address of its own/)
    expect(stdout).toMatch(/driver twice: lease has given 10\.201\.\d+\.9, which owner0 has/)
    expect(code).toBe(1)
  })

  test('fails with what went wrong first, and with what its removal says', async () => {
    const { stdout } = await tried(
      'double',
      `export default { apiVersion: 1, volume: {
         create: ({ name }) => 'not/absolute/' + name, remove() { throw new Error('will not go') },
       } }`,
    )
    expect(stdout).toMatch(/driver double: create must return an absolute path.*will not go/)
  })

  test.each([
    ['no driver', 'export default 5', 'its default export is no driver'],
    ['nothing', 'const five = 5', 'its default export has no apiVersion'],
    ['no default', 'export const five = 5', 'it has no default export'],
    ['wrong syntax', 'export default {\n  a: 1,\n  b: = 2\n}', 'syntax.ts:3: Expression expected'],
    ['an enum', 'export default {}\nenum A { B }', 'syntax.ts:2: TypeScript enum is not supported'],
  ])('is refused for %s with the place of the fault', async (_what, text, refusal) => {
    const { code, stderr } = await tried('syntax', text)
    expect(stderr).toContain(refusal)
    expect(stderr.split(directory)).toHaveLength(2)
    expect(code).toBe(1)
  })

  test('is not tried when it does not load', async () => {
    const { code, stdout, stderr } = await tried('wrong', 'export default { apiVersion: 2, volume: {} }')
    expect(stderr).toContain('apiVersion 2 is not known: this tsnet has version 1')
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })
})

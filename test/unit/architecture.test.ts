import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { findRing, type Import, importsOf, judge, sourceFiles } from '../helpers/house.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const files = sourceFiles(root, 'src')
const imports = files.flatMap((file) => importsOf(root, file))

const FORBIDDEN_NAMES = /^(utils?|common|misc|helpers?)$/
/** A file that grows past this is worth a look; it is no failure. */
const LONG_FILE_LINES = 350

const taken = (from: string, to: string, typeOnly = false): Import => ({ from, to, typeOnly })

describe('the house', () => {
  test('has no import that points up or sideways', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(imports.length).toBeGreaterThan(files.length)
    expect(imports.map(judge).filter(Boolean)).toEqual([])
  })

  test('has no ring among its folders', () => {
    expect(findRing(imports)).toBeUndefined()
  })

  test('has no file or folder named after nothing in particular', () => {
    const own = [...files, ...sourceFiles(root, 'bench'), ...sourceFiles(root, 'scripts')]
    const vague = own.filter((file) =>
      file.split('/').some((part) => FORBIDDEN_NAMES.test(basename(part, '.ts'))),
    )
    expect(vague).toEqual([])
  })

  test('names its files in kebab-case, but constants after the kernel headers', () => {
    const kebab = /^(src\/sys\/constants\/[a-z0-9_-]+|[a-z0-9/-]+)\.ts$/
    expect(files.filter((file) => !kebab.test(file))).toEqual([])
  })

  test('reports the files that have grown long', () => {
    const lengths = files.map((file) => ({
      file,
      lines: readFileSync(join(root, file), 'utf8').split('\n').length,
    }))
    const long = lengths.filter(({ lines }) => lines > LONG_FILE_LINES).sort((a, b) => b.lines - a.lines)
    if (long.length > 0) console.info(long.map(({ file, lines }) => `${file}: ${lines} lines`).join('\n'))
    expect(lengths.every(({ lines }) => lines > 1)).toBe(true)
  })
})

describe('the judge of imports', () => {
  test.each([
    [
      'a lower floor sees a higher one',
      taken('src/netlink/link.ts', 'src/engine/start.ts'),
      'point down only',
    ],
    [
      'two places of one floor see each other',
      taken('src/dns/server.ts', 'src/ipam/local.ts'),
      'point down only',
    ],
    [
      'a driver sees another',
      taken('src/drivers/bridge/index.ts', 'src/drivers/host/index.ts'),
      'may not see the host',
    ],
    [
      'what drivers share sees one of them',
      taken('src/drivers/bridging/links.ts', 'src/drivers/bridge/options.ts'),
      'may not see the bridge',
    ],
    ['koffi is used outside sys', taken('src/netlink/socket.ts', 'koffi'), 'only src/sys may'],
    [
      'execa is used in the engine',
      taken('src/engine/start.ts', 'execa'),
      'only src/firewall, src/drivers/remote',
    ],
    ['fastify is used in the daemon', taken('src/daemon.ts', 'fastify'), 'only src/api may'],
    ['init sees the store', taken('src/init/main.ts', 'src/store/store.ts'), 'src/init sees only sys'],
    [
      'the supervisor runs code of init',
      taken('src/supervisor/pool.ts', 'src/init/run.ts'),
      'src/supervisor sees only',
    ],
    [
      'the client runs code of the API',
      taken('src/cli/main.ts', 'src/api/schema/container.ts'),
      'src/cli sees only',
    ],
    ['a folder is not on the plan', taken('src/shed/tool.ts', 'src/errors.ts'), 'has no place in the house'],
  ])('refuses that %s', (_, one, sentence) => {
    expect(judge(one)).toContain(`${one.from}`)
    expect(judge(one)).toContain(sentence)
  })

  test.each([
    ['the engine sees a driver', taken('src/engine/start.ts', 'src/drivers/driver.ts')],
    ['a driver sees its contract', taken('src/drivers/bridge/index.ts', 'src/drivers/driver.ts')],
    [
      'a driver sees what drivers share',
      taken('src/drivers/bridge/index.ts', 'src/drivers/bridging/links.ts'),
    ],
    ['the supervisor knows the shape of steps', taken('src/supervisor/pool.ts', 'src/init/steps.ts', true)],
    ['the client knows the shape of bodies', taken('src/cli/main.ts', 'src/api/schema/container.ts', true)],
    ['the daemon sees all', taken('src/daemon.ts', 'src/api/server.ts')],
  ])('allows that %s', (_, one) => {
    expect(judge(one)).toBeUndefined()
  })

  test('finds a ring of three folders', () => {
    const ring = [
      taken('src/dns/a.ts', 'src/ipam/b.ts'),
      taken('src/ipam/b.ts', 'src/images/c.ts'),
      taken('src/images/c.ts', 'src/dns/a.ts'),
    ]
    expect(findRing(ring)).toEqual(['src/dns', 'src/ipam', 'src/images', 'src/dns'])
  })

  test('tells a type from a value in an import', () => {
    const own = importsOf(root, 'test/unit/architecture.test.ts')
    expect(own).toContainEqual(taken('test/unit/architecture.test.ts', 'test/helpers/house.ts'))
    const rules = importsOf(root, 'src/firewall/rules.ts')
    expect(rules).toContainEqual(taken('src/firewall/rules.ts', 'src/store/records.ts', true))
  })
})

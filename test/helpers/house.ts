/** The house's table of import directions and the judge that applies it. ARCHITECTURE.md draws the same table. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** What one source file takes from another place. */
export interface Import {
  /** Path from the repository's root, e.g. `src/dns/server.ts`. */
  readonly from: string
  /** Path from the root for own files, else the package's name, e.g. `koffi` or `node:fs`. */
  readonly to: string
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean
}

/** Each place in src/ and its floor. The longest matching path counts. */
const FLOORS: Readonly<Record<string, number>> = {
  'src/values': 0,
  'src/errors.ts': 0,
  'src/log.ts': 0,
  'src/config': 0,
  'src/version.ts': 0,
  'src/timings.ts': 0,
  'src/sys': 1,
  'src/netlink': 2,
  'src/firewall': 2,
  'src/store': 2,
  'src/cluster': 2,
  'src/init': 2,
  'src/archives': 2,
  'src/plugins': 2,
  'src/cni': 2,
  'src/volumes/worker': 2,
  'src/sandbox': 3,
  'src/dns': 3,
  'src/ports': 3,
  'src/ipam': 3,
  'src/volumes': 3,
  'src/images': 3,
  'src/supervisor': 3,
  'src/drivers': 4,
  'src/extensions': 4,
  'src/engine': 5,
  'src/guest': 6,
  'src/api': 6,
  'src/cli': 6,
  'src/cni-plugin': 7,
  'src/build-parts.ts': 7,
  'src/daemon.ts': 8,
}

interface Allowed {
  readonly from: string
  readonly to: string
  readonly typeOnly?: true
  readonly why: string
}

/** Imports between places of one floor, each with its reason. */
const EXCEPTIONS: readonly Allowed[] = [
  { from: 'src/values', to: 'src/errors.ts', why: 'a value refuses what it cannot hold' },
  { from: 'src/timings.ts', to: 'src/errors.ts', why: 'a refusal is told from a failure' },
  { from: 'src/config', to: 'src/errors.ts', why: 'a wrong setting is refused' },
  { from: 'src/config', to: 'src/values', why: 'settings hold values' },
  { from: 'src/firewall', to: 'src/store/records.ts', typeOnly: true, why: 'rules speak of stored ports' },
  { from: 'src/store', to: 'src/cni/result.ts', typeOnly: true, why: 'what a runtime was told is kept' },
  { from: 'src/cluster', to: 'src/store/records.ts', typeOnly: true, why: 'hosts share records' },
  {
    from: 'src/extensions',
    to: 'src/drivers/driver.ts',
    typeOnly: true,
    why: "operators' drivers fill the contract",
  },
  {
    from: 'src/extensions',
    to: 'src/drivers/registry.ts',
    typeOnly: true,
    why: 'they are a source of drivers',
  },
  { from: 'src/extensions', to: 'src/drivers/link-tags.ts', why: 'their links are swept as all are' },
  {
    from: 'src/extensions',
    to: 'src/drivers/configure-endpoint.ts',
    why: 'their interfaces are finished for them',
  },
]

/** Places that see less than their floor allows, because they are processes of their own. */
const CONFINED: Readonly<Record<string, readonly Omit<Allowed, 'from' | 'why'>[]>> = {
  'src/init': [{ to: 'src/sys' }, { to: 'src/values' }, { to: 'src/errors.ts' }],
  'src/supervisor': [
    { to: 'src/sys' },
    { to: 'src/values' },
    { to: 'src/errors.ts' },
    { to: 'src/log.ts' },
    { to: 'src/init/steps.ts', typeOnly: true },
  ],
  'src/volumes/worker': [
    { to: 'src/sys' },
    { to: 'src/values' },
    { to: 'src/errors.ts' },
    { to: 'src/archives' },
  ],
  'src/cli': [
    { to: 'src/errors.ts' },
    { to: 'src/version.ts' },
    { to: 'src/values/volume-archive.ts' },
    { to: 'src/api/schema', typeOnly: true },
  ],
}

/** Packages that one place alone may use. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  koffi: ['src/sys'],
  fastify: ['src/api'],
  '@fastify/type-provider-typebox': ['src/api'],
  '@grpc/grpc-js': ['src/cluster'],
  'etcd3/lib/connection-pool.js': ['src/cluster'],
  'etcd3/lib/rpc.js': ['src/cluster'],
  'prom-client': ['src/api/metrics'],
  execa: ['src/firewall', 'src/drivers/remote', 'src/cli'],
}

const isWithin = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`)

const matches = (rule: { to: string; typeOnly?: true }, one: Import): boolean =>
  isWithin(one.to, rule.to) && (rule.typeOnly !== true || one.typeOnly)

/** The entry of FLOORS that `path` belongs to. */
function placeOf(path: string): string | undefined {
  return Object.keys(FLOORS).find((place) => isWithin(path, place))
}

/** The sentence that refuses an import, or undefined where the house allows it. */
export function judge(one: Import): string | undefined {
  if (!one.to.startsWith('src/')) return judgePackage(one)
  const from = placeOf(one.from)
  const to = placeOf(one.to)
  if (from === undefined)
    return `${one.from} has no place in the house: name its floor in test/helpers/house.ts`
  if (to === undefined) return `${one.from} imports ${one.to}, which has no place in the house`
  if (from === to) return judgeSibling(one)
  return judgeConfined(one, from) ?? judgeFloor(one, from, to)
}

function judgePackage(one: Import): string | undefined {
  const places = PACKAGES[one.to]
  if (!places || places.some((place) => isWithin(one.from, place))) return undefined
  return `${one.from} imports ${one.to}: only ${places.join(', ')} may`
}

/** What drivers stand on together. It is no driver, and sees none. */
const SHARED_GROUND = 'bridging'

/** A driver sees the contract beside it, its own files and the shared ground, never another driver. */
function judgeSibling(one: Import): string | undefined {
  const [, driver] = /^src\/drivers\/([^/]+)\//.exec(one.from) ?? []
  const [, other] = /^src\/drivers\/([^/]+)\//.exec(one.to) ?? []
  if (driver === undefined || other === undefined || driver === other || other === SHARED_GROUND)
    return undefined
  return `${one.from} imports ${one.to}: the ${driver} driver may not see the ${other} driver`
}

function judgeConfined(one: Import, from: string): string | undefined {
  const allowed = CONFINED[from]
  if (!allowed || allowed.some((rule) => matches(rule, one))) return undefined
  const list = allowed.map((rule) => rule.to.slice('src/'.length) + (rule.typeOnly ? ' (types)' : ''))
  return `${one.from} imports ${one.to}: ${from} sees only ${list.join(', ')}`
}

function judgeFloor(one: Import, from: string, to: string): string | undefined {
  if (CONFINED[from]) return undefined
  const above = FLOORS[from]!
  const below = FLOORS[to]!
  if (above > below) return undefined
  if (EXCEPTIONS.some((rule) => isWithin(one.from, rule.from) && matches(rule, one))) return undefined
  const places = `${from} is on floor ${above}, ${to} on floor ${below}`
  return `${one.from} imports ${one.to}: imports point down only, and ${places}`
}

/** Every source file below a folder, as paths from the root. */
export function sourceFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

const STATEMENT = /^\s*(?:import|export)\s+(type\s)?([^'"`;=()]*?)\s*(?:from\s+)?'([^']+)'/gm
const CALL = /\bimport\(\s*'([^']+)'\s*\)/g

/** What a file imports. Text enough: one formatter writes all imports alike. */
export function importsOf(root: string, from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8')
  const statements = [...text.matchAll(STATEMENT)].map(([, type, names = '', to = '']) => ({
    from,
    to: resolve(from, to),
    typeOnly: type !== undefined || namesAreTypes(names),
  }))
  const calls = [...text.matchAll(CALL)].map(([, to = '']) => ({
    from,
    to: resolve(from, to),
    typeOnly: false,
  }))
  return [...statements, ...calls]
}

function namesAreTypes(names: string): boolean {
  const [, inner] = /^\{([^}]*)\}$/.exec(names.trim()) ?? []
  const parts =
    inner
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean) ?? []
  return parts.length > 0 && parts.every((name) => name.startsWith('type '))
}

const resolve = (from: string, to: string): string =>
  to.startsWith('.') ? normalize(join(dirname(from), to)) : to

/** The first ring among places, as a list that ends where it began; undefined where there is none. */
export function findRing(imports: readonly Import[]): string[] | undefined {
  const edges = new Map<string, Set<string>>()
  for (const one of imports) {
    const from = placeOf(one.from)
    const to = placeOf(one.to)
    if (from === undefined || to === undefined || from === to) continue
    edges.set(from, (edges.get(from) ?? new Set()).add(to))
  }
  const done = new Set<string>()
  const walk = (place: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(place)) return [...path.slice(path.indexOf(place)), place]
    if (done.has(place)) return undefined
    for (const next of edges.get(place) ?? []) {
      const ring = walk(next, [...path, place])
      if (ring) return ring
    }
    done.add(place)
    return undefined
  }
  for (const place of edges.keys()) {
    const ring = walk(place, [])
    if (ring) return ring
  }
  return undefined
}

// Bundles one file per process into dist/. Native modules (koffi) stay outside and are found in node_modules.
import { readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'
import { packProgram } from '../src/init/compiled.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const outdir = join(root, 'dist')
// Who starts tsnet meanwhile finds the old program or the new one, never half of one.
const fresh = join(root, `dist.${process.pid}`)

const options: BuildOptions = {
  absWorkingDir: root,
  outdir: fresh,
  bundle: true,
  platform: 'node',
  target: 'node26',
  minifySyntax: true,
  legalComments: 'none',
  sourcemap: 'linked',
}

const started = new Date()
try {
  await build({
    ...options,
    entryPoints: {
      daemon: 'src/daemon.ts',
      supervisor: 'src/supervisor/main.ts',
      keeper: 'src/cluster/keeper.ts',
      'driver-test': 'src/extensions/checks/main.ts',
      'driver-worker': 'src/extensions/isolation/main.ts',
    },
    format: 'esm',
    // etcd3 and gRPC read files beside their own. They are loaded by daemons of a cluster alone, prom-client by those that serve metrics.
    external: ['etcd3', '@grpc/grpc-js', 'prom-client'],
    outExtension: { '.js': '.mjs' },
    banner: {
      // Bundled CommonJS packages still call require for node's own modules.
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  })
  await toAscii(join(fresh, 'daemon.mjs'))
  // CommonJS loads node's own modules when they are used. An ES module loads all of them at its start and reads every getter
  // of theirs on top, which takes the client a quarter of the time that its user waits for, and init as much.
  const common: BuildOptions = {
    ...options,
    format: 'cjs',
    // What CommonJS has of an ES module's under another name.
    define: { 'import.meta.dirname': '__dirname' },
    outExtension: { '.js': '.cjs' },
  }
  await build({
    ...common,
    entryPoints: {
      cli: 'src/cli/main.ts',
      cni: 'src/cni-plugin/main.ts',
      'cni-alone': 'src/cni-plugin/alone.ts',
      init: 'src/init/load.ts',
      'volume-worker': 'src/volumes/worker/main.ts',
    },
  })
  const program = await build({
    ...common,
    entryPoints: ['src/init/main.ts'],
    banner: { js: '(function (require, __dirname) {' },
    footer: { js: '})' },
    sourcemap: false,
    write: false,
  })
  await writeFile(join(fresh, 'init.program'), packProgram(program.outputFiles[0]!.text))
  // The launcher compares this with the sources: what was edited during the build is newer.
  await writeFile(join(fresh, '.built'), '')
  await utimes(join(fresh, '.built'), started, started)
  await rm(outdir, { recursive: true, force: true })
  await rename(fresh, outdir)
} finally {
  await rm(fresh, { recursive: true, force: true })
}

/**
 * esbuild lets comments and regular expressions be. V8 keeps a program's text as long as the program, and all of it in two bytes each
 * character once one is no ASCII: 3.6 MB more.
 */
async function toAscii(path: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  await writeFile(
    path,
    text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
}

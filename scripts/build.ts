// Bundles one file per process into dist/. Native modules (koffi) stay outside and are found in node_modules.
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const outdir = join(root, 'dist')

await rm(outdir, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: {
    cli: 'src/cli/main.ts',
    daemon: 'src/daemon.ts',
    supervisor: 'src/supervisor/main.ts',
    init: 'src/init/main.ts',
  },
  outdir,
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  external: ['koffi'],
  minifySyntax: true,
  legalComments: 'none',
  sourcemap: 'linked',
  banner: {
    // Bundled CommonJS packages still call require for node's own modules.
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
})

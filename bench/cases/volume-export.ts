import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Case, Row } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { send, timed } from '../request.ts'

async function shell(script: string): Promise<void> {
  const [code] = (await once(spawn('sh', ['-c', script], { stdio: 'inherit' }), 'exit')) as [number]
  if (code !== 0) throw new Error(`${script}: exit status ${code}`)
}

function makeSmallFiles(root: string): void {
  for (let folder = 0; folder < 200; folder++) {
    mkdirSync(join(root, `d${folder}`))
    for (let file = 0; file < 100; file++) {
      writeFileSync(join(root, `d${folder}`, `f${file}`), `${folder} ${file} `.repeat((file * 37) % 500))
    }
  }
}

async function row(
  title: string,
  { socket }: Engine,
  name: string,
  fill: (root: string) => unknown,
): Promise<Row> {
  const made = await send(socket, 'POST', '/volumes/create', { Name: name })
  const root = String(made.json()['Mountpoint'])
  await fill(root)
  const fetch = `curl -sf --unix-socket ${socket} -o /dev/null http://tsnet/tsnet/v1/volumes/${name}/export`
  return {
    title,
    unit: 'ms',
    rounds: 5,
    contestants: [
      { name: 'tsnet', sample: () => timed(() => shell(fetch)) },
      {
        name: 'tar, zstd -T0',
        sample: () => timed(() => shell(`tar -c -C ${root} . | zstd -qT0 > /dev/null`)),
      },
    ],
  }
}

export default {
  name: 'volume-export',
  order: 75,
  title: 'Export of a volume',
  about:
    'A volume’s archive over the API, thrown away by curl(1), beside the same tree by `tar` and `zstd -T0`. tsnet’s holds ' +
    'times in nanoseconds, attributes and holes, and a check sum.',
  async *rows(stage) {
    const [engine] = await stage.engines('tsnet')
    if (engine === undefined) return
    yield await row('20,000 small files', engine, 'bench-small', makeSmallFiles)
    const program = process.execPath
    const large = (root: string) => shell(`for i in 1 2 3 4; do head -c 128M ${program}; done > ${root}/file`)
    yield await row('one file of 512 MiB', engine, 'bench-large', large)
  },
} satisfies Case

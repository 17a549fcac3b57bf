/** Archives for layers, made by tar-stream as no honest program would make them. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Header, pack } from 'tar-stream'
import { type Digest, digestOf } from '../../../src/images/digest.ts'
import { type LayerRequest, type LayerStore, openLayers } from '../../../src/images/layers.ts'

export type Item = Partial<Header> & { name: string; content?: string; pax?: Record<string, string> }

export async function archiveOf(items: readonly Item[]): Promise<Buffer> {
  const archive = pack()
  for (const { content, ...header } of items) {
    const complete = { mtime: new Date(1_000_000_000_000), ...header }
    if (content === undefined) archive.entry(complete)
    else archive.entry(complete, content)
  }
  archive.finalize()
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>))
}

export class LayerLab implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsnet-layers-'))
  readonly root = join(this.directory, 'layers')
  readonly store: LayerStore = openLayers(this.root)

  /** Extracts an archive on top of others and returns its directory. */
  async extract(archive: Buffer, changes: Partial<LayerRequest> = {}): Promise<string> {
    const path = join(this.directory, randomBytes(4).toString('hex'))
    writeFileSync(path, archive)
    const { name } = await this.store.extract({
      chainId: digestOf(randomBytes(8)),
      diffId: digestOf(archive),
      below: [],
      archive: path,
      onBytes: () => {},
      signal: new AbortController().signal,
      ...changes,
    })
    return join(this.root, name)
  }

  async extractItems(items: readonly Item[], changes: Partial<LayerRequest> = {}): Promise<string> {
    return this.extract(await archiveOf(items), changes)
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function anyDigest(): Digest {
  return digestOf(randomBytes(8))
}

/** Volumes as archives, out and in, for every driver: a worker walks the trees, this passes bytes on. */
import { PassThrough, type Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import { checkVolumeName } from '../values/name.ts'
import type { ArchiveLabel } from '../values/volume-archive.ts'
import type { CopyWatch, ImportedVolume, VolumeArchives, VolumeExport, VolumeImport } from './engine.ts'
import type { Parts } from './parts.ts'
import { replaceVolume } from './replace-volume.ts'
import { withVolumeMounted } from './volume-copies.ts'
import { findVolume } from './volume-removal.ts'
import { withRoom } from './volume-room.ts'
import { VolumeUploads } from './volume-uploads.ts'
import { anonymousLabel, makeVolume } from './volumes.ts'

/** Milliseconds without any sign of the worker, or of whoever takes the archive. */
const exportDeadline = 300_000
const verifyDeadline = 60_000
/** All of it is written to the disk once, without a sign in between. */
const unpackDeadline = 600_000

export function createVolumeArchives(parts: Parts): VolumeArchives {
  const uploads = new VolumeUploads(parts.dataRoot)
  uploads
    .sweep()
    .catch((error: unknown) => parts.log.warn({ err: error }, 'old uploads could not be removed'))
  return {
    export: (name, resume, watch) => openExport(parts, name, resume, watch),
    uploaded: (token) => uploads.size(token),
    receive: (token, offset, bytes) => {
      parts.store.imports.delete(token)
      return uploads.receive(token, offset, bytes)
    },
    import: async (name, token, wanted, watch) => {
      const known = recall(parts, name, token)
      if (known === null) return importUpload(parts, uploads, { name, token, wanted }, watch)
      await uploads.remove(token)
      return known
    },
  }
}

const mostRemembered = 100

/** To be written with the import: a daemon that dies before its answer is asked once more. */
function remember({ store: { imports } }: Parts, token: string, done: ImportedVolume): void {
  const { volume, kept, isVerified, entries, bytes } = done
  imports.put(token, { token, volume: volume.id, kept: kept?.id ?? null, isVerified, entries, bytes })
  for (const old of [...imports.values()].slice(0, -mostRemembered)) imports.delete(old.token)
}

/** What an upload has become; null when it has not become that volume, or that is gone. */
function recall({ store }: Parts, name: string, token: string): ImportedVolume | null {
  const known = store.imports.get(token)
  const volume = store.volumes.get(name)
  if (known === undefined || volume === undefined || known.volume !== volume.id) return null
  return { ...known, volume, kept: store.snapshots.get(known.kept ?? '') ?? null }
}

/** Returns when the archive's first bytes are there. What goes wrong later breaks off the stream. */
export async function openExport(
  parts: Parts,
  name: string,
  resume: VolumeExport['resume'],
  watch: CopyWatch,
): Promise<Readable> {
  findVolume(parts, name)
  const archive = new PassThrough({ highWaterMark: 1 << 20 })
  const gone = new AbortController()
  archive.on('close', () => gone.abort(new TsnetError('unavailable', 'export-given-up', 'nobody takes it')))
  watch.signal?.addEventListener('abort', () => archive.destroy())
  const running = parts.locks.run(`volume ${name}`, () =>
    exportTo(parts, name, resume, archive, gone.signal, watch),
  )
  const failed = running.then(() => archive.end())
  failed.catch((error: Error) => archive.destroy(error))
  // Told by who awaits it below, or by the stream.
  archive.on('error', () => {})
  await Promise.race([new Promise((resolve) => archive.once('readable', resolve)), failed])
  return archive
}

async function exportTo(
  parts: Parts,
  name: string,
  resume: VolumeExport['resume'],
  sink: PassThrough,
  signal: AbortSignal,
  watch: CopyWatch,
): Promise<void> {
  const volume = findVolume(parts, name)
  const { driver, options, labels } = volume
  await withVolumeMounted(parts, volume, 'export', async (root) => {
    const label: ArchiveLabel = { name, driver, labels, options }
    const { entries, bytes, changed, leftOut } = await parts.workers.run(
      'export-volume',
      { root, label, resume },
      {
        subject: `export ${name}`,
        deadline: exportDeadline,
        sink,
        signal,
        ...(watch.progress && { progress: watch.progress }),
      },
    )
    parts.log.info({ volume: name, entries, bytes, changed, leftOut }, 'a volume was exported')
  })
  parts.events.emit('volume', 'export', name, { driver })
}

interface Upload {
  readonly name: string
  readonly token: string
  readonly wanted: VolumeImport
}

/** The upload is gone afterwards, unless its sender went away meanwhile: he may come again. */
async function importUpload(
  parts: Parts,
  uploads: VolumeUploads,
  upload: Upload,
  watch: CopyWatch,
): Promise<ImportedVolume> {
  const { name, token, wanted } = upload
  try {
    checkVolumeName(name)
    const archive = uploads.path(token)
    if ((await uploads.size(token)) === 0)
      throw new TsnetError(
        'not-found',
        'no-upload',
        `import ${name}: the archive is empty: nothing was received`,
      )
    if (parts.store.volumes.has(name) && !wanted.replace) throw taken(name)
    const { label } = await parts.workers.run(
      'verify-archive',
      { archive },
      { subject: `import ${name}`, deadline: verifyDeadline, ...watch },
    )
    const imported = await (parts.store.volumes.has(name)
      ? replaceBy(parts, upload, archive, label !== null, watch)
      : makeBy(parts, upload, archive, label, watch))
    parts.events.emit('volume', 'import', name, { driver: imported.volume.driver })
    await uploads.remove(token)
    return imported
  } catch (error) {
    if (!watch.signal?.aborted) await uploads.remove(token)
    throw error
  }
}

function taken(name: string): TsnetError {
  return new TsnetError(
    'conflict',
    'volume-exists',
    `import ${name}: there is a volume ${name} already: give another name, or --replace to replace what it holds`,
  )
}

/** A volume of this name has no record before all is there. */
async function makeBy(
  parts: Parts,
  upload: Upload,
  archive: string,
  label: ArchiveLabel | null,
  watch: CopyWatch,
): Promise<ImportedVolume> {
  const { name, token, wanted } = upload
  const driver = parts.volumeDriver(wanted.driver || 'local')
  // An archive's options are not taken: they may name places of this host.
  const spec = {
    name,
    driver: driver.name,
    options: wanted.options,
    labels: wanted.labels ?? labelsOf(label),
  }
  driver.checkOptions(spec.options)
  let unpacked = { entries: 0, bytes: 0 }
  const fill = async (volume: VolumeRecord): Promise<void> => {
    unpacked = await withVolumeMounted(parts, volume, 'import', (root) =>
      unpack(parts, { volume, archive, root, wanted }, watch),
    )
  }
  const imported = (volume: VolumeRecord): ImportedVolume => ({
    volume,
    kept: null,
    isVerified: label !== null,
    ...unpacked,
  })
  const volume = await parts.locks.run(`volume ${name}`, () => {
    if (parts.store.volumes.has(name)) throw taken(name)
    return makeVolume(parts, spec, { fill, commit: (made) => remember(parts, token, imported(made)) })
  })
  return imported(volume)
}

async function replaceBy(
  parts: Parts,
  { name, token, wanted }: Upload,
  archive: string,
  isVerified: boolean,
  watch: CopyWatch,
): Promise<ImportedVolume> {
  const { kept, result } = await replaceVolume(
    parts,
    name,
    {
      operation: 'import',
      now: wanted.now,
      prepare: (volume) => volume,
      install: async (volume, root) => ({
        volume,
        ...(await withRoom(parts, volume, null, (limit) =>
          unpack(parts, { volume, archive, root, wanted: within(wanted, limit) }, watch),
        )),
      }),
      commit: (done, kept) => remember(parts, token, { ...done, kept, isVerified }),
    },
    watch,
  )
  return { ...result, kept, isVerified }
}

/** More than a volume may hold is refused before it replaces anything. */
function within(wanted: VolumeImport, limit: number | null): VolumeImport {
  if (limit === null) return wanted
  return { ...wanted, maxSize: Math.min(limit, wanted.maxSize ?? limit) }
}

function labelsOf(label: ArchiveLabel | null): VolumeRecord['labels'] {
  const { [anonymousLabel]: _, ...labels } = label?.labels ?? {}
  return labels
}

export async function unpack(
  parts: Parts,
  {
    volume,
    wanted: { maxSize, maxEntries },
    ...paths
  }: { volume: VolumeRecord; archive: string; root: string; wanted: VolumeImport },
  watch: CopyWatch,
): Promise<{ entries: number; bytes: number }> {
  const isLimited = ((await parts.volumeDriver(volume.driver).quota?.(volume)) ?? null) !== null
  const options = { subject: `import ${volume.name}`, deadline: unpackDeadline, ...watch }
  return parts.workers.run('unpack-volume', { ...paths, maxSize, maxEntries, isLimited }, options)
}

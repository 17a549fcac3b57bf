/** Every command by name. Each is loaded only when it is called. */
import type { Command } from './command.ts'

export type Load = () => Promise<{ readonly command: Command }>

/** Commands behind a noun: `tsnet network ls`. */
export interface Group {
  readonly summary: string
  readonly commands: Readonly<Record<string, Load>>
}

const container = {
  attach: () => import('./commands/attach.ts'),
  create: () => import('./commands/create.ts'),
  exec: () => import('./commands/exec.ts'),
  kill: () => import('./commands/kill.ts'),
  logs: () => import('./commands/logs.ts'),
  port: () => import('./commands/port.ts'),
  rename: () => import('./commands/rename.ts'),
  restart: () => import('./commands/restart.ts'),
  rm: () => import('./commands/rm.ts'),
  run: () => import('./commands/run.ts'),
  start: () => import('./commands/start.ts'),
  stop: () => import('./commands/stop.ts'),
  update: () => import('./commands/update.ts'),
  wait: () => import('./commands/wait.ts'),
}

const image = {
  import: () => import('./commands/import.ts'),
  load: () => import('./commands/load.ts'),
  pull: () => import('./commands/pull.ts'),
  save: () => import('./commands/save.ts'),
  tag: () => import('./commands/tag.ts'),
}

const ps = () => import('./commands/ps.ts')
const images = () => import('./commands/images.ts')
const events = () => import('./commands/events.ts')
const info = () => import('./commands/info.ts')
const rmi = () => import('./commands/rmi.ts')

/** What is called by its name alone. */
export const commands: Readonly<Record<string, Load>> = {
  ...container,
  ...image,
  events,
  images,
  info,
  inspect: () => import('./commands/inspect.ts'),
  ps,
  rmi,
  version: () => import('./commands/version.ts'),
}

/** What is called by noun and verb. */
export const groups: Readonly<Record<string, Group>> = {
  container: {
    summary: 'Manage containers',
    commands: {
      ...container,
      inspect: () => import('./commands/container-inspect.ts'),
      ls: ps,
      move: () => import('./commands/container-move.ts'),
    },
  },
  driver: {
    summary: 'Manage drivers of networks, addresses and volumes',
    commands: {
      inspect: () => import('./commands/driver-inspect.ts'),
      ls: () => import('./commands/driver-ls.ts'),
      new: () => import('./commands/driver-new.ts'),
      reload: () => import('./commands/driver-reload.ts'),
      test: () => import('./commands/driver-test.ts'),
    },
  },
  image: {
    summary: 'Manage images',
    commands: { ...image, inspect: () => import('./commands/image-inspect.ts'), ls: images, rm: rmi },
  },
  network: {
    summary: 'Manage networks',
    commands: {
      connect: () => import('./commands/network-connect.ts'),
      create: () => import('./commands/network-create.ts'),
      disconnect: () => import('./commands/network-disconnect.ts'),
      graph: () => import('./commands/network-graph.ts'),
      inspect: () => import('./commands/network-inspect.ts'),
      ls: () => import('./commands/network-ls.ts'),
      prune: () => import('./commands/network-prune.ts'),
      rm: () => import('./commands/network-rm.ts'),
      update: () => import('./commands/network-update.ts'),
      verify: () => import('./commands/network-verify.ts'),
    },
  },
  node: {
    summary: 'Look at the hosts of a cluster',
    commands: { ls: () => import('./commands/node-ls.ts') },
  },
  plugin: {
    summary: "Offer tsnet's drivers to dockerd",
    commands: {
      ls: () => import('./commands/plugin-ls.ts'),
      serve: () => import('./commands/plugin-serve.ts'),
      stop: () => import('./commands/plugin-stop.ts'),
    },
  },
  publish: {
    summary: 'Publish ports of containers that run',
    commands: {
      add: () => import('./commands/publish-add.ts'),
      rm: () => import('./commands/publish-rm.ts'),
    },
  },
  system: {
    summary: 'Manage tsnet',
    commands: { df: () => import('./commands/system-df.ts'), events, info },
  },
  volume: {
    summary: 'Manage volumes',
    commands: {
      clone: () => import('./commands/volume-clone.ts'),
      copy: () => import('./commands/volume-copy.ts'),
      create: () => import('./commands/volume-create.ts'),
      export: () => import('./commands/volume-export.ts'),
      import: () => import('./commands/volume-import.ts'),
      inspect: () => import('./commands/volume-inspect.ts'),
      ls: () => import('./commands/volume-ls.ts'),
      prune: () => import('./commands/volume-prune.ts'),
      rename: () => import('./commands/volume-rename.ts'),
      restore: () => import('./commands/volume-restore.ts'),
      rm: () => import('./commands/volume-rm.ts'),
      rollback: () => import('./commands/volume-rollback.ts'),
      snapshot: () => import('./commands/volume-snapshot.ts'),
      snapshots: () => import('./commands/volume-snapshots.ts'),
      trash: () => import('./commands/volume-trash.ts'),
      update: () => import('./commands/volume-update.ts'),
    },
  },
}

/** Other words for the commands of a group, as Docker has them. */
export const aliases: Readonly<Record<string, string>> = { list: 'ls', remove: 'rm' }

/** The script that both daemons are given, topic by topic. */
import type { Topic } from '../topic.ts'
import { refusingVolumes, volumeModes, volumeSyntax } from './script/binds.ts'
import { copying, declared } from './script/copy-up.ts'
import { creating, refusingToCreate } from './script/create.ts'
import { events, living, measuring } from './script/lifecycle.ts'
import { inspecting, listing } from './script/list.ts'
import { mountSyntax, refusingMounts } from './script/mount.ts'
import { nesting } from './script/nested.ts'
import { driverOptions } from './script/options.ts'
import { propagating } from './script/propagation.ts'
import { pruning, removing, removingWithContainers } from './script/remove.ts'
import { tmpfs } from './script/tmpfs.ts'
import { volumesFrom } from './script/volumes-from.ts'

export const script: readonly Topic[] = [
  creating,
  refusingToCreate,
  listing,
  inspecting,
  removing,
  pruning,
  removingWithContainers,
  volumeSyntax,
  volumeModes,
  refusingVolumes,
  mountSyntax,
  refusingMounts,
  tmpfs,
  copying,
  declared,
  volumesFrom,
  driverOptions,
  propagating,
  nesting,
  living,
  events,
  measuring,
]

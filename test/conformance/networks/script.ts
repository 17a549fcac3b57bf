/** The script that both daemons are given, topic by topic. */

import type { Topic } from '../topic.ts'
import { connecting, connectingStopped, linking } from './script/connect.ts'
import { creating, naming, refusingToCreate } from './script/create.ts'
import { events } from './script/events.ts'
import { files } from './script/files.ts'
import { inspecting, listing } from './script/list.ts'
import { macvlan } from './script/macvlan.ts'
import { misspellingPorts, publishing } from './script/ports.ts'
import { reaching, reachingDefault } from './script/reach.ts'
import { pruning, removing } from './script/remove.ts'
import { addressing, restarting, running } from './script/run.ts'

export const script: readonly Topic[] = [
  creating,
  refusingToCreate,
  naming,
  listing,
  inspecting,
  removing,
  pruning,
  connecting,
  connectingStopped,
  linking,
  running,
  addressing,
  restarting,
  files,
  publishing,
  misspellingPorts,
  reaching,
  reachingDefault,
  macvlan,
  events,
]

/** A start that the kernel keeps waiting for a dead file system is given up, and whose it is can be said. */
import { readFileSync } from 'node:fs'
import type { InitPlan, Mark } from '../init/steps.ts'

/** ms in which init must come further; copying a large tree is coming further all the time. */
export const defaultPatience = 60_000

/** How much longer one start waits for another that copies into the same volume. */
const waitingFactor = 20

const waiting: Mark = 'wait'

/** How often is looked, each time that patience lasts. */
const looks = 12

/**
 * Calls `giveUp` once init, the process `pid`, has been at the same thing for `patience` ms, with a sentence that tells at what.
 * The returned function ends the watch.
 */
export function watchInit(
  pid: number,
  plan: InitPlan,
  patience: number,
  giveUp: (why: string) => void,
): () => void {
  let last = ''
  let since = Date.now()
  const timer = setInterval(() => {
    const mark = readMark(pid)
    const limit = mark.startsWith(`${waiting} `) ? patience * waitingFactor : patience
    if (mark !== last) {
      last = mark
      since = Date.now()
    } else if (Date.now() - since >= limit) {
      clearInterval(timer)
      giveUp(describe(mark, plan, limit / 1000))
    }
  }, patience / looks)
  return () => clearInterval(timer)
}

/** The name of its main thread; '' when it is gone. */
function readMark(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd()
  } catch {
    return ''
  }
}

function describe(mark: string, plan: InitPlan, seconds: number): string {
  const [doing = '', index = ''] = mark.split(' ')
  const sources = plan.steps.flatMap((step) => (step.op === 'clone-sources' ? step.sources : []))
  const path = sources[Number(index)]?.path ?? ''
  const sentences: Readonly<Record<Mark, string>> = {
    source: `mount source ${path} did not answer within ${seconds} seconds: is its file system dead?`,
    copy: `copying into ${path} did not go on for ${seconds} seconds: is its file system dead?`,
    wait: `another container has been filling ${path} for ${seconds} seconds: try again`,
  }
  return sentences[doing as Mark] ?? `init did not come further for ${seconds} seconds`
}

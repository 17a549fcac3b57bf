/** One script of `docker` commands, in front of a real dockerd and in front of tsnet: the answers are the same, or explained. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { repository } from '../../helpers/daemon.ts'
import { requires } from '../../helpers/requires.ts'
import { addressesIn, differenceOf, linesOf } from './answer.ts'
import { differences } from './differences.ts'
import { explanationOf, type Finding, renderDifferences } from './document.ts'
import { type Step, stepsOf } from './script/topic.ts'
import { script } from './script.ts'
import { client, type Side, startDockerdSide, startTsnetSide } from './side.ts'

const document = join(repository, 'docs/differences.md')
const topics = script.map((topic) => ({ kept: addressesIn(topic.script), steps: stepsOf(topic) }))
const steps = topics.flatMap((topic) => topic.steps)

function versionOf(program: string): string {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

const isThere = /version 20\.10\./.test(versionOf('/usr/sbin/dockerd')) && versionOf(client) !== ''
const needed = "dockerd 20.10 and its client, as Debian 12's package docker.io has them"

let sides: Side[] = []
const linesOfStep = new Map<Step, readonly string[]>()

/** tsnet and, because dockerd takes twice as long, two of it, which share the script: topics stand for themselves. */
async function startSides(): Promise<void> {
  const starts = [startTsnetSide(), startDockerdSide(), startDockerdSide()]
  const outcomes = await Promise.allSettled(starts)
  sides = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  await Promise.all(starts)
}

/** Answers to topics, one after the other; what a topic has made is taken away before the next. */
async function play(side: Side, own: typeof topics): Promise<Map<Step, string[]>> {
  const answers = new Map<Step, string[]>()
  for (const { kept, steps } of own) {
    for (const step of steps) answers.set(step, linesOf(await side.run(step.line), kept))
    await side.clear()
  }
  return answers
}

beforeAll(async () => {
  if (!isThere) return
  await startSides()
  const [tsnet, first, second] = sides as [Side, Side, Side]
  const half = (rest: number) => topics.filter((_, index) => index % 2 === rest)
  const [own, ...theirs] = await Promise.all([
    play(tsnet, topics),
    play(first, half(0)),
    play(second, half(1)),
  ])
  const answers = new Map(theirs.flatMap((some) => [...some]))
  for (const step of steps) linesOfStep.set(step, differenceOf(answers.get(step)!, own.get(step)!))
}, 600_000)

afterAll(() => Promise.all(sides.map((side) => side.stop())))

const findings = (): Finding[] => steps.map((step) => ({ step, lines: linesOfStep.get(step) ?? [] }))

function compareAnswers(): void {
  describe('the same client', () => {
    for (const step of steps) {
      it(`is answered as by dockerd, or otherwise on purpose: ${step.id}`, () => {
        const lines = linesOfStep.get(step)
        expect(lines?.filter((line) => explanationOf(step, line) === undefined)).toEqual([])
      })
    }
  })

  describe('an intended difference', () => {
    for (const difference of differences) {
      it(`is still there: ${difference.title}`, () => {
        const own = findings().filter(({ step, lines }) =>
          lines.some((line) => explanationOf(step, line) === difference),
        )
        expect(own).not.toEqual([])
      })
    }
  })

  test('docs/differences.md shows every intended difference as it is', () => {
    const rendered = renderDifferences(findings(), steps.length)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(document, rendered)
    expect(readFileSync(document, 'utf8')).toBe(rendered)
  })
}

// Where dockerd is missing, one test says so, instead of one for each step.
if (isThere) compareAnswers()
else requires(needed, false)('the same client is answered as by dockerd', compareAnswers)

describe('the script', () => {
  it('has enough commands, and a name for each', () => {
    expect(steps.length).toBeGreaterThanOrEqual(120)
    expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length)
  })
})

/** One script of `docker` commands, in front of a real dockerd and in front of tsnet: the answers are the same, or explained. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { repository } from '../helpers/daemon.ts'
import { requires } from '../helpers/requires.ts'
import { addressesIn, differenceOf, linesOf as linesOfAnswer } from './answer.ts'
import { type Difference, explanationOf } from './difference.ts'
import { type Finding, linesOf, renderDifferences } from './document.ts'
import { client, type Equip, type Side, startDockerdSide, startTsnetSide } from './side.ts'
import { type Step, stepsOf, type Topic } from './topic.ts'

export interface Comparison {
  /** A folder of test/conformance, with a `script`, and a page of docs/differences. */
  readonly subject: string
  readonly script: readonly Topic[]
  readonly differences: readonly Difference[]
  /** What the script finds on either side. */
  readonly equip: Equip
  /** The script has so many steps at least. */
  readonly steps: number
}

/** A topic as it is played: the addresses that the script gives are part of what is compared. */
interface Scene {
  readonly kept: ReadonlySet<string>
  readonly steps: readonly Step[]
}

const isThere = /version 20\.10\./.test(versionOf('/usr/sbin/dockerd')) && versionOf(client) !== ''
const needed = "dockerd 20.10 and its client, as Debian 12's package docker.io has them"

function versionOf(program: string): string {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

/** Makes the tests of one subject: one for each step, one for each difference, one for the page. */
export function compareWithDockerd({ subject, script, differences, equip, steps: least }: Comparison): void {
  const scenes = script.map((topic) => ({ kept: addressesIn(topic.script), steps: stepsOf(topic) }))
  const steps = scenes.flatMap((scene) => scene.steps)
  // Where dockerd is missing, one test says so, instead of one for each step.
  if (isThere) compareAnswers(subject, scenes, differences, equip)
  else requires(needed, false)('the same client is answered as by dockerd', () => {})

  describe('the script', () => {
    it('has enough commands, and a name for each', () => {
      expect(steps.length).toBeGreaterThanOrEqual(least)
      expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length)
    })
  })
}

function compareAnswers(
  subject: string,
  scenes: readonly Scene[],
  differences: readonly Difference[],
  equip: Equip,
): void {
  const sides: Side[] = []
  const findings: Finding[] = []

  beforeAll(async () => {
    await startSides(sides, equip)
    findings.push(...(await playAll(sides, scenes)))
  }, 600_000)

  afterAll(() => Promise.all(sides.map((side) => side.stop())))

  describe('the same client', () => {
    for (const step of scenes.flatMap(({ steps }) => steps)) {
      it(`is answered as by dockerd, or otherwise on purpose: ${step.id}`, () => {
        const lines = findings.find((finding) => finding.step === step)?.lines
        expect(lines?.filter((line) => explanationOf(differences, step.id, line) === undefined)).toEqual([])
      })
    }
  })

  describe('an intended difference', () => {
    for (const difference of differences) {
      it(`is still there: ${difference.title}`, () => {
        expect(linesOf(difference, differences, findings)).not.toEqual([])
      })
    }
  })

  test(`docs/differences/${subject}.md shows every intended difference as it is`, () => {
    const document = join(repository, `docs/differences/${subject}.md`)
    const rendered = renderDifferences(subject, differences, findings)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(document, rendered)
    expect(readFileSync(document, 'utf8')).toBe(rendered)
  })
}

/** tsnet and, because dockerd takes twice as long, two of it, which share the script: topics stand for themselves. */
async function startSides(sides: Side[], equip: Equip): Promise<void> {
  const starts = [startTsnetSide(equip), startDockerdSide(equip), startDockerdSide(equip)]
  const outcomes = await Promise.allSettled(starts)
  sides.push(...outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])))
  await Promise.all(starts)
}

async function playAll(sides: readonly Side[], scenes: readonly Scene[]): Promise<Finding[]> {
  const [tsnet, first, second] = sides as [Side, Side, Side]
  const half = (rest: number) => scenes.filter((_, index) => index % 2 === rest)
  const [own, ...theirs] = await Promise.all([
    play(tsnet, scenes),
    play(first, half(0)),
    play(second, half(1)),
  ])
  const answers = new Map(theirs.flatMap((some) => [...some]))
  return scenes
    .flatMap(({ steps }) => steps)
    .map((step) => ({ step, lines: differenceOf(answers.get(step)!, own.get(step)!) }))
}

/** Answers to topics, one after the other; what a topic has made is taken away before the next. */
async function play(side: Side, scenes: readonly Scene[]): Promise<Map<Step, string[]>> {
  const answers = new Map<Step, string[]>()
  for (const { kept, steps } of scenes) {
    for (const step of steps) answers.set(step, linesOfAnswer(await side.run(step.line), kept))
    await side.clear()
  }
  return answers
}

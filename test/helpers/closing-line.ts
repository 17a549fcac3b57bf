/** Closes a run with what was skipped and why, and with one line that counts: `N passed, N failed[, N skipped]`, also for the sum of several runs. */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSuite, Vitest } from 'vitest/node'

interface Count {
  passed: number
  failed: number
  readonly skipped: { readonly title: string; readonly reason: string }[]
  /** With -t the rest is left out on purpose. */
  readonly isPart: boolean
}

export default class ClosingLine implements Reporter {
  #isPart = false

  onInit(vitest: Vitest): void {
    this.#isPart = vitest.config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const count: Count = { passed: 0, failed: errors.length, skipped: [], isPart: this.#isPart }
    for (const module of modules) countModule(module, count)
    for (const { title, reason } of count.skipped) console.log(`skipped: ${title}: ${reason}`)
    const skipped = count.skipped.length > 0 ? `, ${count.skipped.length} skipped` : ''
    console.log(`${count.passed} passed, ${count.failed} failed${skipped}`)
    const counts = process.env['TSNET_TEST_COUNTS']
    if (counts !== undefined)
      writeFileSync(
        `${counts}/count-${process.pid}`,
        `${count.passed} ${count.failed} ${count.skipped.length}\n`,
      )
    if (count.failed > 0 || reason !== 'passed') process.exitCode = 1
  }
}

function countModule(module: TestModule, count: Count): void {
  // A module that cannot be read, or a suite whose preparation failed, has no failed test to show for it.
  if (module.errors().length > 0) count.failed += 1
  for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1
  for (const test of module.children.allTests()) countTest(test, count)
}

function countTest(test: TestCase, count: Count): void {
  const result = test.result()
  if (result.state === 'passed') count.passed += 1
  else if (result.state === 'failed') count.failed += 1
  else countSkipped(test, result.state === 'skipped' ? result.note : undefined, count)
}

/** A test that is left out for no stated reason counts as failed: nothing is skipped in silence. */
function countSkipped(test: TestCase, note: string | undefined, count: Count): void {
  const title = `${test.module.relativeModuleId} > ${test.fullName}`
  if (note === undefined && count.isPart) return
  if (note === undefined && !preparationFailed(test.parent)) {
    console.log(`left out without a reason: ${title}`)
    count.failed += 1
    return
  }
  count.skipped.push({ title, reason: note ?? 'the preparation of its suite failed' })
}

function preparationFailed(parent: TestSuite | TestModule): boolean {
  if (parent.errors().length > 0) return true
  return parent.type === 'suite' && preparationFailed(parent.parent)
}

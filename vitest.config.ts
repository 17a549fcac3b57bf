import { defineConfig } from 'vitest/config'

const slow = { testTimeout: 60_000, hookTimeout: 120_000, fileParallelism: false, pool: 'forks' as const }

// Each file leaves the process as it was: one loads what all import, for a third of the processor time.
const pure = { isolate: false }

// Hours, if need be.
const patient = { ...slow, testTimeout: 4 * 3_600_000 }

// Emulated, everything takes ten times as long.
const emulated = { ...slow, testTimeout: 300_000, hookTimeout: 600_000 }

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts', 'test/fuzz/**/*.test.ts'], ...pure } },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], ...slow } },
      { test: { name: 'kernel', include: ['test/kernel/**/*.test.ts'], ...slow } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...slow } },
      { test: { name: 'conformance', include: ['test/conformance/**/*.test.ts'], ...slow } },
      { test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'], ...patient } },
      { test: { name: 'vm', include: ['test/vm/**/*.test.ts'], ...emulated } },
    ],
  },
})

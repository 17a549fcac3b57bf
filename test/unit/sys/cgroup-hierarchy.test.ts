import { describe, expect, test } from 'vitest'
import { findHierarchy } from '../../../src/sys/cgroup-hierarchy.ts'

describe('findHierarchy', () => {
  const line = (directory: string, type: string, options: string) =>
    `30 24 0:26 / ${directory} rw,nosuid shared:9 - ${type} ${type} rw,${options}`

  test('finds the trees of version 1, with several controllers in one', () => {
    const hierarchy = findHierarchy(
      [
        line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'cpu,cpuacct'),
        line('/sys/fs/cgroup/memory', 'cgroup', 'memory'),
      ].join('\n'),
    )
    expect(hierarchy.version).toBe(1)
    expect(hierarchy.trees.get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct')
    expect(hierarchy.trees.get('memory')).toBe('/sys/fs/cgroup/memory')
    expect(hierarchy.trees.has('pids')).toBe(false)
  })

  test('takes a machine with both for version 1', () => {
    const hierarchy = findHierarchy(
      [
        line('/sys/fs/cgroup/unified', 'cgroup2', 'nsdelegate'),
        line('/sys/fs/cgroup/memory', 'cgroup', 'memory'),
      ].join('\n'),
    )
    expect(hierarchy.version).toBe(1)
    expect(hierarchy.trees.get('unified')).toBe('/sys/fs/cgroup/unified')
  })

  test('takes version 2 where version 1 has only the tree of systemd', () => {
    const hierarchy = findHierarchy(
      [
        line('/sys/fs/cgroup', 'cgroup2', 'nsdelegate'),
        line('/sys/fs/cgroup/systemd', 'cgroup', 'xattr,name=systemd'),
      ].join('\n'),
    )
    expect(hierarchy.version).toBe(2)
    expect(hierarchy.trees.get('unified')).toBe('/sys/fs/cgroup')
  })

  test('reads escaped paths and lines without optional fields', () => {
    const hierarchy = findHierarchy('30 24 0:26 / /my\\040groups rw - cgroup cgroup rw,pids')
    expect(hierarchy.trees.get('pids')).toBe('/my groups')
  })

  test('says how to mount them when there are none', () => {
    expect(() => findHierarchy('22 1 8:1 / / rw - ext4 /dev/vda rw')).toThrow('mount -t cgroup2')
  })
})

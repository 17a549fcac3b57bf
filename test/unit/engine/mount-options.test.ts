import { describe, expect, test } from 'vitest'
import { checkTmpfsOptions } from '../../../src/engine/mount-options.ts'

describe('options of a tmpfs', () => {
  test.each([
    [''],
    ['size=64m'],
    ['size=50%,mode=1777'],
    ['uid=1000,gid=1000,nr_inodes=10k,nr_blocks=100'],
    ['ro,noexec,nosuid'],
    ['defaults,norelatime,mand,nomand,nostrictatime'],
    ['size=1t,mode=01777'],
    ['mpol=interleave:0-1'],
  ])('may be %j', (options) => {
    expect(() => checkTmpfsOptions(options)).not.toThrow()
  })

  test.each([
    ['colour=red', '"colour=red"'],
    ['size=', '"size="'],
    ['size=64mb', '"size=64mb"'],
    ['mode=999', '"mode=999"'],
    ['uid=root', '"uid=root"'],
    ['constructor', '"constructor"'],
    ['size=1m,a,b', '"a", "b"'],
  ])('may not be %j', (options, named) => {
    expect(() => checkTmpfsOptions(options)).toThrow(`invalid tmpfs option ${named}: there are size=`)
  })
})

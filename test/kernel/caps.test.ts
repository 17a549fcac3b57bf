import { describe, expect, test } from 'vitest'
import {
  availableCapabilities,
  capabilityMask,
  defaultCapabilities,
  resolveCapabilities,
} from '../../src/sys/caps.ts'
import { become, statusOf } from '../helpers/become.ts'

const none = '0'.repeat(16)

describe('becomeUser', () => {
  test('gives root its capabilities as bounding, permitted and effective set and nothing to inherit', () => {
    const status = statusOf({ caps: defaultCapabilities })
    // what `docker run busybox grep Cap /proc/self/status` prints
    const dockers = '00000000a80425fb'
    expect(status).toMatchObject({
      CapBnd: dockers,
      CapPrm: dockers,
      CapEff: dockers,
      CapInh: none,
      CapAmb: none,
    })
  })

  test('leaves another user the bounding set alone', () => {
    const status = statusOf({ uid: 1234, gid: 1235, caps: ['NET_RAW', 'KILL'] })
    const expected = capabilityMask(['NET_RAW', 'KILL']).toString(16).padStart(16, '0')
    expect(status).toMatchObject({ CapBnd: expected, CapPrm: none, CapEff: none, CapInh: none, CapAmb: none })
    expect(status).toMatchObject({ Uid: '1234\t1234\t1234\t1234', Gid: '1235\t1235\t1235\t1235' })
  })

  test('takes every capability from root when none is given', () => {
    expect(statusOf({ caps: [] })).toMatchObject({ CapBnd: none, CapPrm: none, CapEff: none })
  })

  test('hands on all that this machine has when all are asked for', () => {
    const caps = resolveCapabilities({ add: ['ALL'], drop: [] })
    expect(caps.length).toBeGreaterThan(defaultCapabilities.length)
    const expected = capabilityMask(availableCapabilities()).toString(16).padStart(16, '0')
    expect(statusOf({ caps })).toMatchObject({ CapBnd: expected, CapEff: expected })
  })

  test('replaces the supplementary groups', () => {
    expect(statusOf({ uid: 7, gid: 7, groups: [20, 4_000_000_000] })['Groups']?.trim()).toBe('20 4000000000')
    expect(statusOf({ groups: [] })['Groups']?.trim()).toBe('')
  })

  test('switches no_new_privs on only when it is wanted', () => {
    expect(statusOf({ noNewPrivileges: false })['NoNewPrivs']).toBe('0')
    expect(statusOf({ noNewPrivileges: true })['NoNewPrivs']).toBe('1')
  })

  test('leaves no way back to root', () => {
    const argv = ['/usr/bin/setpriv', '--reuid=0', 'true']
    const { status, stderr } = become({ uid: 1234, gid: 1234, caps: ['SETUID'], argv })
    expect({ status, stderr: stderr.trim() }).toEqual({
      status: 127,
      stderr: 'setpriv: setresuid failed: Operation not permitted',
    })
  })
})

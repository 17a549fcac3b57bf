import { describe, expect, test } from 'vitest'
import { parseCsvLine } from '../../../../src/cli/values/csv.ts'
import { parseDetachKeys } from '../../../../src/cli/values/detach-keys.ts'
import { joinEgress, parseEgress } from '../../../../src/cli/values/egress.ts'
import { addFilter } from '../../../../src/cli/values/filter.ts'
import { parseDnsSearch, parseDnsServer, parseHostEntry } from '../../../../src/cli/values/host-entry.ts'
import {
  checkSysctl,
  parseEnv,
  parseKeyValueLines,
  parseLabel,
} from '../../../../src/cli/values/key-value.ts'
import { canonicalName, splitReference, withDefaultTag } from '../../../../src/cli/values/reference.ts'
import { parseRestartPolicy } from '../../../../src/cli/values/restart-policy.ts'
import { parseUlimit } from '../../../../src/cli/values/ulimit.ts'
import { parseTmpfs, parseVolume } from '../../../../src/cli/values/volume.ts'

describe('egress policies', () => {
  test.each([
    [[], null],
    [['any'], null],
    [['deny'], []],
    [['allow=10.0.0.0/8:5432,[2001:db8::1]:443'], ['10.0.0.0/8:5432', '[2001:db8::1]:443']],
    [
      ['allow=a.test', 'deny', 'allow=b.test'],
      ['a.test', 'b.test'],
    ],
  ])('%j come to %j', (given, expected) => {
    expect(joinEgress(given.map(parseEgress))).toEqual(expected)
  })

  test.each(['', 'allow', 'allow=', 'allow=a.test,', 'deny=a.test', 'a.test', 'DENY'])(
    'refuses %j',
    (text) => {
      expect(() => parseEgress(text)).toThrow(`"${text}" is no egress policy`)
    },
  )

  test('are everything or some, not both', () => {
    expect(() => joinEgress(['any', 'deny'])).toThrow('conflicting options: egress any and deny')
  })
})

describe('parseVolume', () => {
  test.each([
    ['/anon', { anonymous: '/anon' }],
    ['data:/data', { bind: 'data:/data' }],
    ['/host:/data:ro', { bind: '/host:/data:ro' }],
    ['./x:/x', { bind: '/here/x:/x' }],
    ['../x:/x', { bind: '/x:/x' }],
    ['.:/x', { bind: '/here:/x' }],
  ])('reads %s', (text, expected) => {
    expect(parseVolume(text, '/here')).toEqual(expected)
  })

  test.each([
    ['', 'invalid empty volume spec'],
    [':/x', 'invalid spec: :/x: empty section between colons'],
    ['a::b', 'invalid spec: a::b: empty section between colons'],
    ['a:/b:ro:c', 'invalid spec: a:/b:ro:c: too many colons'],
  ])('refuses %j', (text, message) => {
    expect(() => parseVolume(text, '/here')).toThrow(message)
  })

  test('takes the options of a tmpfs as they are', () => {
    expect(parseTmpfs('/run:size=1m,mode=700')).toEqual(['/run', 'size=1m,mode=700'])
    expect(parseTmpfs('/run')).toEqual(['/run', ''])
  })
})

describe('parseUlimit', () => {
  test.each([
    ['nofile=1024', { Name: 'nofile', Soft: 1024, Hard: 1024 }],
    ['nofile=1:2', { Name: 'nofile', Soft: 1, Hard: 2 }],
    ['core=-1', { Name: 'core', Soft: -1, Hard: -1 }],
    ['core=5:-1', { Name: 'core', Soft: 5, Hard: -1 }],
  ])('reads %s', (text, expected) => {
    expect(parseUlimit(text)).toEqual(expected)
  })

  test.each([
    ['nofile', 'invalid ulimit argument: nofile'],
    ['nope=1', 'invalid ulimit type: nope'],
    ['core=2:1', 'ulimit soft limit must be less than or equal to hard limit: 2 > 1'],
    ['core=-1:1', 'ulimit soft limit must be less than or equal to hard limit: -1 > 1'],
    ['core=1:2:3', 'too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`'],
    ['core=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ])('refuses %s', (text, message) => {
    expect(() => parseUlimit(text)).toThrow(message)
  })
})

describe('parseHostEntry', () => {
  test.each([
    ['db:10.0.0.5', 'db:10.0.0.5'],
    ['db=10.0.0.5', 'db:10.0.0.5'],
    ['db:::1', 'db:::1'],
    ['db=[::1]', 'db:::1'],
    ['up:host-gateway', 'up:host-gateway'],
  ])('reads %s', (text, expected) => {
    expect(parseHostEntry(text)).toBe(expected)
  })

  test.each([
    ['db', 'bad format for add-host: "db"'],
    [':1.2.3.4', 'bad format for add-host: ":1.2.3.4"'],
    ['db:x', 'invalid IP address in add-host: "x"'],
  ])('refuses %s', (text, message) => {
    expect(() => parseHostEntry(text)).toThrow(message)
  })
})

test('resolvers are addresses and search domains are names', () => {
  expect(parseDnsServer(' 1.1.1.1 ')).toBe('1.1.1.1')
  expect(() => parseDnsServer('one')).toThrow('IP address is not correctly formatted: one')
  expect([parseDnsSearch('.'), parseDnsSearch('a.example.'), parseDnsSearch('lan')]).toEqual([
    '.',
    'a.example',
    'lan',
  ])
  expect(() => parseDnsSearch('-a')).toThrow('-a is not a valid domain')
})

describe('pairs', () => {
  test('a bare variable takes the client’s value, or goes as it is', () => {
    expect(parseEnv('A', { A: '1' })).toBe('A=1')
    expect(parseEnv('A', {})).toBe('A')
    expect(parseEnv('A=', { A: '1' })).toBe('A=')
    expect(() => parseEnv('=1', {})).toThrow('invalid environment variable: =1')
  })

  test('labels have names without blanks', () => {
    expect(parseLabel('a=b c')).toBe('a=b c')
    expect(() => parseLabel('=b')).toThrow("invalid label '=b': empty name")
    expect(() => parseLabel('a b=c')).toThrow("label 'a b=c' contains whitespaces")
  })

  test.each(['kernel.shmmax=1', 'net.ipv4.ip_forward=1', 'fs.mqueue.msg_max=5'])('%s may be set', (text) => {
    expect(() => checkSysctl(text)).not.toThrow()
  })

  test.each(['kernel.panic=1', 'vm.swappiness=1', 'net.ipv4.ip_forward'])('%s may not be set', (text) => {
    expect(() => checkSysctl(text)).toThrow(`sysctl '${text}' is not allowed`)
  })

  test('a file of variables may have a mark at its start, other line ends, and comments', () => {
    const content = '\uFEFFA=1\r\n# no\r\n\r\nB=2 # kept\r\nC\r\nD'
    expect(parseKeyValueLines('f', content, { C: '3' })).toEqual(['A=1', 'B=2 # kept', 'C=3'])
    expect(() => parseKeyValueLines('f', 'a b=1', {})).toThrow(
      "invalid env file (f): variable 'a b' contains whitespaces",
    )
    expect(() => parseKeyValueLines('f', '=1', {})).toThrow(
      "invalid env file (f): no variable name on line '=1'",
    )
  })
})

describe('parseRestartPolicy', () => {
  test.each([
    ['no', { Name: 'no', MaximumRetryCount: 0 }],
    ['on-failure:3', { Name: 'on-failure', MaximumRetryCount: 3 }],
    ['', { Name: '', MaximumRetryCount: 0 }],
  ])('reads %j', (text, expected) => {
    expect(parseRestartPolicy(text)).toEqual(expected)
  })

  test('refuses a count that is none', () => {
    expect(() => parseRestartPolicy('always:x')).toThrow('maximum retry count must be an integer')
  })
})

describe('parseDetachKeys', () => {
  test.each([
    ['', [16, 17]],
    ['ctrl-a', [1]],
    ['ctrl-[,x', [27, 120]],
    ['CTRL-@', [0]],
  ])('reads %j', (text, expected) => {
    expect(parseDetachKeys(text)).toEqual(expected)
  })

  test('refuses what is no key', () => {
    expect(() => parseDetachKeys('ctrl-p,esc')).toThrow(
      "invalid detach keys (ctrl-p,esc): Unknown character: 'esc'",
    )
    expect(() => parseDetachKeys('ctrl-!')).toThrow("Unknown character: 'ctrl-!'")
  })
})

test('filters of one name add up', () => {
  const one = addFilter('Name= a', {})
  expect(addFilter('name=b', addFilter('label=x=y', one))).toEqual({ name: ['a', 'b'], label: ['x=y'] })
  expect(() => addFilter('x', {})).toThrow('bad format of filter (expected name=value)')
})

describe('image names', () => {
  test.each([
    ['box', 'box:latest', 'docker.io/library/box:latest'],
    ['box:1', 'box:1', 'docker.io/library/box:1'],
    ['me/box', 'me/box:latest', 'docker.io/me/box:latest'],
    ['docker.io/library/box', 'box:latest', 'docker.io/library/box:latest'],
    ['localhost:5000/box', 'localhost:5000/box:latest', 'localhost:5000/box:latest'],
    ['r.example/a/b:2', 'r.example/a/b:2', 'r.example/a/b:2'],
    ['box@sha256:ab', 'box@sha256:ab', 'docker.io/library/box@sha256:ab'],
  ])('%s is short for %s and %s', (text, short, full) => {
    const reference = splitReference(text)
    expect([withDefaultTag(reference), canonicalName(reference)]).toEqual([short, full])
  })
})

test('a line of comma-separated values may quote commas and quotes', () => {
  expect(parseCsvLine('a,"b,c",,"d""e"')).toEqual(['a', 'b,c', '', 'd"e'])
  expect(() => parseCsvLine('a"b')).toThrow('bare " in non-quoted-field')
})

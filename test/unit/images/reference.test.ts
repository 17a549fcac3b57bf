import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from '../../../src/images/reference.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

describe('parseReference', () => {
  test.each([
    ['alpine', 'docker.io/library/alpine', 'alpine'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20', 'alpine:3.20'],
    ['grafana/grafana', 'docker.io/grafana/grafana', 'grafana/grafana'],
    ['docker.io/alpine', 'docker.io/library/alpine', 'alpine'],
    ['docker.io/library/alpine', 'docker.io/library/alpine', 'alpine'],
    ['index.docker.io/library/alpine:1', 'docker.io/library/alpine:1', 'alpine:1'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/a', 'localhost/a', 'localhost/a'],
    ['localhost:5000/a/b:1', 'localhost:5000/a/b:1', 'localhost:5000/a/b:1'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000/a', '127.0.0.1:5000/a'],
    ['[::1]:5000/a:2', '[::1]:5000/a:2', '[::1]:5000/a:2'],
    ['MyHost/a', 'MyHost/a', 'MyHost/a'],
    ['quay.io/a/b__c/d-e.f_g:V1.0-x', 'quay.io/a/b__c/d-e.f_g:V1.0-x', 'quay.io/a/b__c/d-e.f_g:V1.0-x'],
    [`alpine@${digest}`, `docker.io/library/alpine@${digest}`, `alpine@${digest}`],
    [`a.b/c:1@${digest}`, `a.b/c:1@${digest}`, `a.b/c:1@${digest}`],
  ])('reads %s as %s and shows it as %s', (text, full, familiar) => {
    const reference = parseReference(text)
    expect(formatReference(reference)).toBe(full)
    expect(familiarReference(reference)).toBe(familiar)
  })

  test.each([
    '',
    ':',
    'a:',
    'a/',
    '/a',
    'a//b',
    'a..b',
    'a___b',
    '-a',
    'a-',
    'a:-b',
    'a b',
    'a@sha256:1234',
    'a@',
    'a:1:2',
    '[::1/a',
    `a:${'t'.repeat(129)}`,
    'host:port/a',
    'a\n',
  ])('refuses %j with the words of Docker', (text) => {
    expect(() => parseReference(text)).toThrow(/^invalid reference format$/)
  })

  test('names the repository whose capitals are wrong', () => {
    expect(() => parseReference('Alpine:3')).toThrow(
      'invalid reference format: repository name (library/Alpine) must be lowercase',
    )
  })

  test('takes 64 hex digits for an id and not for a name', () => {
    expect(() => parseReference('a'.repeat(64))).toThrow('cannot specify 64-byte hexadecimal strings')
  })

  test('refuses a digest of the wrong length or of another algorithm', () => {
    expect(() => parseReference(`a@sha256:${'a'.repeat(63)}`)).toThrow('invalid checksum digest length')
    expect(() => parseReference(`a@sha512:${'a'.repeat(128)}`)).toThrow('unsupported digest algorithm')
  })

  test('refuses a path of more than 255 characters and takes one of 255', () => {
    expect(() => parseReference(`x.y/${'a'.repeat(256)}`)).toThrow('must not be more than 255 characters')
    expect(parseReference(`x.y/${'a'.repeat(255)}`).path).toHaveLength(255)
  })
})

describe('withDefaultTag', () => {
  test('adds latest to a bare name only', () => {
    expect(familiarReference(withDefaultTag(parseReference('alpine')))).toBe('alpine:latest')
    expect(familiarReference(withDefaultTag(parseReference('alpine:1')))).toBe('alpine:1')
    expect(familiarReference(withDefaultTag(parseReference(`alpine@${digest}`)))).toBe(`alpine@${digest}`)
  })
})

const alphanumeric = fc.stringMatching(/^[a-z0-9]{1,6}$/)
const separator = fc.constantFrom('.', '_', '__', '-', '---')
const component = fc
  .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 2 }))
  .map(([head, rest]) => head + rest.flat().join(''))
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const domain = fc.constantFrom(
  'docker.io',
  'localhost',
  'localhost:5000',
  '127.0.0.1:80',
  '[::1]:5000',
  'r.example.org',
  'Host',
)
const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: null })
const anyDigest = fc.option(
  fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`),
  { nil: null },
)

describe('every reference', () => {
  const reference = fc.record({ domain, path, tag, digest: anyDigest })

  test('comes back from its full form, but for the path that docker.io makes official', () => {
    fc.assert(
      fc.property(reference, (wanted) => {
        const isOfficial = wanted.domain === 'docker.io' && !wanted.path.includes('/')
        const expected = isOfficial ? { ...wanted, path: `library/${wanted.path}` } : wanted
        expect(parseReference(formatReference(wanted))).toEqual(expected)
      }),
    )
  })

  test('comes back from its familiar form', () => {
    fc.assert(
      fc.property(reference, (wanted) => {
        const parsed = parseReference(formatReference(wanted))
        // A familiar name of 64 hex digits would be an id: Docker has the same gap.
        fc.pre(!/^[a-f0-9]{64}$/.test(familiarReference(parsed)))
        expect(parseReference(familiarReference(parsed))).toEqual(parsed)
        expect(familiarReference(parsed).startsWith(familiarName(parsed))).toBe(true)
      }),
    )
  })

  test('is parsed or refused with an error of kind invalid, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'aA0.:/@-_[]') })), (text) => {
        try {
          expect(parseReference(formatReference(parseReference(text)))).toEqual(parseReference(text))
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: 'invalid-reference' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})

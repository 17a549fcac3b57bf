import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { integer, list, map, parseFlags, text, toggle } from '../../../src/cli/argv.ts'

const table = {
  detach: toggle('', { short: 'd' }),
  env: list('', { short: 'e' }),
  interactive: toggle('', { short: 'i' }),
  name: text(''),
  publish: list('', { short: 'p' }),
  proxy: toggle('', { on: true }),
  rm: toggle(''),
  sysctl: map(''),
  time: integer('', { short: 't' }),
}

const read = (...args: string[]) => parseFlags(table, args, false)

describe('parseFlags', () => {
  test('gives every flag its initial value when nothing is given', () => {
    const { values, given, rest } = read()
    expect(values).toEqual({
      detach: false,
      env: [],
      interactive: false,
      name: '',
      publish: [],
      proxy: true,
      rm: false,
      sysctl: {},
      time: 0,
    })
    expect([...given]).toEqual([])
    expect(rest).toEqual([])
  })

  test.each([[['--name', 'web']], [['--name=web']]])('reads a long flag from %j', (args) => {
    expect(read(...args).values.name).toBe('web')
  })

  test.each([[['-p', '80:80']], [['-p80:80']], [['-p=80:80']], [['-dip80:80']], [['-dip', '80:80']]])(
    'reads a short flag from %j',
    (args) => {
      expect(read(...args).values.publish).toEqual(['80:80'])
    },
  )

  test('takes a group of switches for each of them', () => {
    const { values } = read('-di')
    expect([values.detach, values.interactive]).toEqual([true, true])
  })

  test('takes the value of a switch only from behind an equals sign', () => {
    expect(read('--rm=false', '-d=true', '--proxy=0').values).toMatchObject({
      rm: false,
      detach: true,
      proxy: false,
    })
    expect(read('--rm', 'false')).toMatchObject({ values: { rm: true }, rest: ['false'] })
  })

  test('takes a value that looks like a flag', () => {
    expect(read('--name', '--rm').values).toMatchObject({ name: '--rm', rm: false })
    expect(read('-t', '-1').values.time).toBe(-1)
  })

  test('takes an empty value', () => {
    const { values, given } = read('--name=')
    expect(values.name).toBe('')
    expect(given.has('name')).toBe(true)
  })

  test('collects what may be given many times, and lets a later pair replace an earlier one', () => {
    expect(read('-e', 'A=1', '--env=A=2').values.env).toEqual(['A=1', 'A=2'])
    expect(read('--sysctl', 'a=1', '--sysctl', 'b=x=y', '--sysctl', 'a=2').values.sysctl).toEqual({
      a: '2',
      b: 'x=y',
    })
  })

  test('leaves everything from the first argument on alone unless flags may come later', () => {
    expect(read('-d', 'box', 'sh', '-c', '--rm').rest).toEqual(['box', 'sh', '-c', '--rm'])
    expect(parseFlags(table, ['one', '-d', 'two'])).toMatchObject({
      values: { detach: true },
      rest: ['one', 'two'],
    })
  })

  test('ends flags at two dashes and takes one dash for an argument', () => {
    expect(parseFlags(table, ['-d', '--', '--rm', '-']).rest).toEqual(['--rm', '-'])
    expect(parseFlags(table, ['-', '-d'])).toMatchObject({ values: { detach: true }, rest: ['-'] })
  })

  test.each([
    [['--nope'], 'unknown flag: --nope'],
    [['--constructor'], 'unknown flag: --constructor'],
    [['-dz'], "unknown shorthand flag: 'z' in -z"],
    [['-z'], "unknown shorthand flag: 'z' in -z"],
    [['--name'], 'flag needs an argument: --name'],
    [['-dp'], "flag needs an argument: 'p' in -p"],
    [['--=x'], 'bad flag syntax: --=x'],
    [['---rm'], 'bad flag syntax: ---rm'],
    [['--rm=x'], 'invalid argument "x" for "--rm" flag: strconv.ParseBool: parsing "x": invalid syntax'],
    [
      ['-t', 'x'],
      'invalid argument "x" for "-t, --time" flag: strconv.ParseInt: parsing "x": invalid syntax',
    ],
  ])('refuses %j with the words of Docker', (args, message) => {
    expect(() => read(...args)).toThrow(message)
  })

  test('never loses an argument that is no flag', () => {
    const argument = fc.string().filter((one) => !one.startsWith('-'))
    fc.assert(
      fc.property(fc.array(argument), (args) => {
        expect(parseFlags(table, ['-d', ...args]).rest).toEqual(args)
      }),
    )
  })
})

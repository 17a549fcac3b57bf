import { expect, test } from 'vitest'
import { applyChanges } from '../../../src/images/changes.ts'

test('reads every instruction into the config it stands for', () => {
  expect(
    applyChanges([
      'CMD ["/bin/web", "-v"]',
      'entrypoint echo hi',
      'ENV A=1 B="two words" C=it\\ is',
      'ENV OLD style with  spaces',
      'EXPOSE 80 53/udp 8000-8002/TCP',
      'LABEL a.b="c d" e=\'f g\'',
      'USER nobody:nogroup',
      'VOLUME ["/data", "/with space"]',
      'VOLUME /x /y',
      'WORKDIR /srv',
      'WORKDIR app',
      'STOPSIGNAL SIGUSR1',
    ]),
  ).toEqual({
    Cmd: ['/bin/web', '-v'],
    Entrypoint: ['/bin/sh', '-c', 'echo hi'],
    Env: ['A=1', 'B=two words', 'C=it is', 'OLD=style with  spaces'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} },
    Labels: { 'a.b': 'c d', e: 'f g' },
    User: 'nobody:nogroup',
    Volumes: { '/data': {}, '/with space': {}, '/x': {}, '/y': {} },
    WorkingDir: '/srv/app',
    StopSignal: 'SIGUSR1',
  })
})

test('lets a later ENV replace an earlier one in its place', () => {
  expect(applyChanges(['ENV A=1 B=2', 'ENV A=3'])).toEqual({ Env: ['A=3', 'B=2'] })
})

test('takes a broken array for a shell command, as Docker does', () => {
  expect(applyChanges(['CMD ["a", b]'])).toEqual({ Cmd: ['/bin/sh', '-c', '["a", b]'] })
})

test.each([
  ['RUN true', 'RUN is not a valid change command'],
  ['nonsense', 'NONSENSE is not a valid change command'],
  ['ENV', 'ENV requires at least one argument'],
  ['ENV A', 'ENV must have two arguments'],
  ['LABEL a=b c', `can't find = in "c"`],
  ['EXPOSE eighty', 'Invalid containerPort: eighty'],
  ['EXPOSE 70000', 'Invalid containerPort: 70000'],
  ['EXPOSE 90-80', 'Invalid containerPort: 90-80'],
])('refuses %j', (change, message) => {
  expect(() => applyChanges([change])).toThrow(message)
})

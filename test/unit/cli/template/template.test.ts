import { describe, expect, test } from 'vitest'
import { evaluateTemplate } from '../../../../src/cli/template/evaluate.ts'
import { parseTemplate } from '../../../../src/cli/template/parse.ts'

const data = {
  Id: 'abc',
  Name: '/web',
  State: { Status: 'running', Pid: 7, Paused: false },
  Config: { Labels: { role: 'front', 'a.b': 'c' }, Env: ['A=1', 'B=2'], Cmd: null },
  NetworkSettings: { Networks: { two: { IPAddress: '10.0.0.2' }, one: { IPAddress: '10.0.0.1' } } },
  Mounts: [{ Source: '/a' }, { Source: '/b' }],
  Empty: [],
  Label: (name: string) => `label ${name}`,
}

const run = (source: string) => evaluateTemplate(parseTemplate(source), data)

describe('a template', () => {
  test.each([
    ['plain', 'plain'],
    ['{{.Id}}', 'abc'],
    ['{{ .State.Status }}!', 'running!'],
    ['{{.ID}}', 'abc'],
    ['{{.State.Pid}} {{.State.Paused}} {{.Config.Cmd}}', '7 false <no value>'],
    ['{{.Config.Env}}', '[A=1 B=2]'],
    ['{{.NetworkSettings.Networks}}', 'map[one:map[IPAddress:10.0.0.1] two:map[IPAddress:10.0.0.2]]'],
    ['{{json .Config.Env}} {{json .Name}} {{json .Config.Cmd}}', '["A=1","B=2"] "/web" null'],
    ['{{.Name | json}}', '"/web"'],
    ['{{upper .Id}} {{.Id | upper | lower}} {{title "a b"}}', 'ABC abc A B'],
    ['{{join .Config.Env ", "}} {{len .Mounts}} {{len .Id}}', 'A=1, B=2 2 3'],
    ['{{index .Config.Labels "a.b"}}-{{index .Config.Labels "nope"}}-{{index .Config.Env 1}}', 'c--B=2'],
    ['{{(index .Mounts 1).Source}}', '/b'],
    ['{{.Config.Labels.nope}}', '<no value>'],
    ['{{range .Mounts}}{{.Source}};{{end}}', '/a;/b;'],
    ['{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{end}}', '0=/a 1=/b '],
    [
      '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}:{{$v.IPAddress}} {{end}}',
      'one:10.0.0.1 two:10.0.0.2 ',
    ],
    ['{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', '10.0.0.110.0.0.2'],
    ['{{range $m := .Mounts}}{{$m.Source}}{{$.Id}}{{end}}', '/aabc/babc'],
    ['{{range .Empty}}x{{else}}none{{end}}', 'none'],
    ['{{if .State.Paused}}a{{else if eq .State.Status "running"}}b{{else}}c{{end}}', 'b'],
    ['{{if and .Id (not .Empty)}}yes{{end}}{{if or .Empty ""}}no{{end}}', 'yes'],
    ['{{if gt .State.Pid 5}}big{{end}}{{if ne .Id "abc"}}no{{end}}', 'big'],
    ['{{with .State}}{{.Status}}{{end}}{{with .Empty}}x{{else}}-{{end}}', 'running-'],
    ['{{$s := .State}}{{$s.Status}}', 'running'],
    ['a {{- .Id -}} b', 'aabcb'],
    ['a{{/* said } by "nobody */}}b', 'ab'],
    ['{{"quoted \\"}}\\""}}{{`raw}}`}}', 'quoted "}}"raw}}'],
    ['{{printf "%-6s|%05d|%q|%.2f|%v" .Id 42 .Id 1.5 .Config.Env}}', 'abc   |00042|"abc"|1.50|[A=1 B=2]'],
    ['{{println .Id "x"}}', 'abc x\n'],
    ['{{.Label "x"}}', 'label x'],
    ['{{slice .Id 0 2}}{{truncate .Id 1}}{{pad .Id 1 2}}|', 'aba abc  |'],
    ['{{index (split "a:b" ":") 1}}', 'b'],
  ])('%s gives %s', (source, expected) => {
    expect(run(source)).toBe(expected)
  })

  test.each([
    ['{{.Id', 'unclosed action'],
    ['{{}}', 'missing value for command'],
    ['{{nope .Id}}', 'function "nope" not defined'],
    ['{{constructor}}', 'function "constructor" not defined'],
    ['{{if .Id}}x', 'unexpected EOF'],
    ['x{{end}}', 'unexpected {{end}}'],
    ['{{.Id | }}', 'missing value for command'],
    ['{{(.Id}}', 'unclosed left paren'],
    ['{{$x}}', 'undefined variable "$x"'],
    ['{{.Nope}}', 'map has no entry for key "Nope"'],
    ['{{.State.Nope.More}}', 'map has no entry for key "Nope"'],
    ['{{.Id.More}}', 'map has no entry for key "More"'],
    ['{{.Id "x"}}', "can't give argument to non-function abc"],
    ['{{range .Id}}{{end}}', "range can't iterate over abc"],
    ['{{index .Config.Env 9}}', 'error calling index: index out of range: 9'],
    ['{{%}}', 'unexpected "%" in command'],
  ])('%s is refused: %s', (source, message) => {
    expect(() => run(source)).toThrow(message)
  })
})

// Templates, the data they run on, and what Go makes of them: for the engine's
// own tests, and for those that ask docker the same.

/** As JSON that no type is declared for: docker's raw reading. */
export const DATA: Readonly<Record<string, unknown>> = {
  ZZ: false,
  Id: "sha256:abc",
  S: "héllo <w>&\"'",
  E: "",
  N: null,
  T: true,
  F: false,
  I: 42,
  Neg: -7,
  Big: 1234567890123,
  Fl: 1.5,
  L: ["a", "b", "c"],
  LE: [],
  M: { b: "2", a: "1", c: { d: ["x", 1, null, true] } },
  ME: {},
  Nested: [[1, 2], [3]],
  Labels: { "com.x.y": "v", a: "b" },
  Wide: "日本語",
  Ctl: "a\tb\nc\u0001",
  O: [
    { K: "k1", V: 1 },
    { K: "k2", V: 2 },
  ],
  é: "accent",
};

export type Case = readonly [
  template: string,
  result: string | { readonly error: string },
];

/** What Go of docker 20.10 (1.19) does not know yet, or says otherwise. */
export const NEWER = "newer than docker 20.10";

/** By subject; a key that is missing is an error. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  "values and how they print": [
    ["text only", "text only"],
    ["{{.Id}}", "sha256:abc"],
    ["{{.S}}", "héllo <w>&\"'"],
    ["{{.N}}", "<no value>"],
    ["{{.T}} {{.F}}", "true false"],
    ["{{.I}} {{.Neg}} {{.Big}} {{.Fl}}", "42 -7 1234567890123 1.5"],
    [
      "{{.L}} {{.LE}} {{.M}} {{.ME}} {{.Nested}}",
      "[a b c] [] map[a:1 b:2 c:map[d:[x 1 <nil> true]]] map[] [[1 2] [3]]",
    ],
    [
      "{{.M.c}} {{.M.c.d}} {{.O}}",
      "map[d:[x 1 <nil> true]] [x 1 <nil> true] [map[K:k1 V:1] map[K:k2 V:2]]",
    ],
    [
      "{{$}}{{$.Id}}",
      "map[Big:1234567890123 Ctl:a\tb\nc\u0001 E: F:false Fl:1.5 I:42 Id:sha256:abc L:[a b c] LE:[] Labels:map[a:b com.x.y:v] M:map[a:1 b:2 c:map[d:[x 1 <nil> true]]] ME:map[] N:<nil> Neg:-7 Nested:[[1 2] [3]] O:[map[K:k1 V:1] map[K:k2 V:2]] S:héllo <w>&\"' T:true Wide:日本語 ZZ:false é:accent]sha256:abc",
    ],
    ["{{.Labels}}", "map[a:b com.x.y:v]"],
    ["{{.Ctl}}", "a\tb\nc\u0001"],
    ["{{.Wide}}", "日本語"],
    [
      "{{print 1.0 2.5 1e6 1e20 1e21 123456789.0}}",
      "1 2.5 1e+06 1e+20 1e+21 1.23456789e+08",
    ],
  ],
  literals: [
    [
      "{{'a'}} {{'\\n'}} {{'\\''}} {{'\\x41'}} {{'é'}} {{'日'}}",
      "97 10 39 65 233 26085",
    ],
    ['{{"a\\x41\\u00e9\\U0001F600\\101\\\\\\"\\n"}}', 'aAé😀A\\"\n'],
    ['{{"\\xc3\\xa9"}}', "é"],
    ['{{`raw \\n "x"`}}', 'raw \\n "x"'],
    [
      "{{1}} {{0x1F}} {{0o17}} {{017}} {{0b101}} {{1_000}} {{1e3}} {{1.5e-3}} {{.5}} {{5.}} {{0x1p4}} {{-5}} {{+5}}",
      "1 31 15 15 5 1000 1000 0.0015 0.5 5 16 -5 5",
    ],
    ["{{9223372036854775807}}", "9223372036854775807"],
    ["{{true}} {{false}}", "true false"],
  ],
  "spaces and comments": [
    ["{{/* comment */}}x{{- /* c */ -}} y", "xy"],
    ["a {{- .I -}} b", "a42b"],
    ['a {{- "x" -}}   b', "axb"],
    ["a  {{.I -}}   b", "a  42b"],
    ["{{3 -}} x", "3x"],
    ["{{-3}} {{- -3}} {{- 3 -}}", "-3-33"],
    ['{{ .Id }}\n {{- " " -}} \n{{.I}}', "sha256:abc 42"],
  ],
  "fields and keys": [
    ["{{.M.a}} {{.M.c.d}}", "1 [x 1 <nil> true]"],
    [
      "{{(.M).a}} {{(index .O 0).K}} {{(index .O 1).V}} {{(.M.c).d}}",
      "1 k1 2 [x 1 <nil> true]",
    ],
    ["{{((.S))}}", "héllo <w>&\"'"],
    ['{{index .Labels "com.x.y"}}', "v"],
    ["{{.é}}", "accent"],
  ],
  variables: [
    ["{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"],
    ['{{$x := "a"}}{{range .L}}{{$x = .}}{{end}}{{$x}}', "c"],
    ["{{$é := 1}}{{$é}}", "1"],
    ["{{$x := .M}}{{$x.a}} {{$x.c.d}}", "1 [x 1 <nil> true]"],
    ["{{with $x := .S}}{{$x}}{{end}}", "héllo <w>&\"'"],
    ["{{if .T}}{{$z := 1}}{{$z}}{{end}}", "1"],
  ],
  conditions: [
    ["{{if .T}}t{{end}}{{if .F}}f{{else}}nf{{end}}", "tnf"],
    ["{{if .E}}a{{else if .T}}b{{else}}c{{end}}", "b"],
    ["{{if .E}}a{{else if .F}}b{{else}}c{{end}}", "c"],
    ["{{with .M}}{{.a}}{{end}}", "1"],
    ["{{with .E}}x{{else}}no{{end}}", "no"],
    ["{{with .M.c}}{{$.Id}}{{end}}", "sha256:abc"],
    [
      "{{if 1.0}}a{{end}}{{if 0.0}}b{{end}}{{if 0}}c{{end}}{{if \"0\"}}d{{end}}{{if 'a'}}e{{end}}",
      "ade",
    ],
    [
      "{{if .I}}x{{end}}{{if index .O 0}}y{{end}}{{if .LE}}z{{end}}{{if .ME}}z{{end}}",
      "xy",
    ],
    [
      '{{if not (eq .Id "x")}}ne{{end}}{{if eq (len .L) 3}}three{{end}}',
      "nethree",
    ],
  ],
  ranges: [
    ["{{range .L}}{{.}},{{end}}", "a,b,c,"],
    ["{{range $i, $e := .L}}{{$i}}={{$e}};{{end}}", "0=a;1=b;2=c;"],
    ["{{range $e := .L}}{{$e}};{{end}}", "a;b;c;"],
    [
      "{{range $k, $v := .M}}{{$k}}={{$v}};{{end}}",
      "a=1;b=2;c=map[d:[x 1 <nil> true]];",
    ],
    ["{{range .LE}}x{{else}}empty{{end}}", "empty"],
    ["{{range .N}}x{{else}}none{{end}}", "none"],
    ['{{range .L}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', "ac"],
    ['{{range .L}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', "a"],
    [
      '{{range .L}}{{range $.L}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}|{{end}}',
      "a|a|a|",
    ],
    [
      "{{range $i, $x := .O}}{{if $i}}, {{end}}{{$x.K}}={{$x.V}}{{end}}",
      "k1=1, k2=2",
    ],
    ["{{range .O}}{{.K}}: {{.V}}{{println}}{{end}}", "k1: 1\nk2: 2\n"],
    ["{{range .Nested}}{{range .}}{{.}}{{else}}-{{end}};{{end}}", "12;3;"],
    ['{{range split "a,b" ","}}<{{.}}>{{end}}', "<a><b>"],
  ],
  "templates in templates": [
    [
      '{{define "x"}}[{{.}}]{{end}}{{template "x" .Id}}{{template "x"}}',
      "[sha256:abc][<no value>]",
    ],
    ['{{block "y" .Id}}<{{.}}>{{end}}{{template "y" 3}}', "<sha256:abc><3>"],
    ['{{define "e"}} {{end}}{{define "e"}}x{{end}}{{template "e"}}', "x"],
    ['{{define "v"}}{{$}}{{end}}{{$x := 1}}{{template "v" .L}}', "[a b c]"],
  ],
  pipelines: [
    ['{{"a" | upper | lower | printf "%s-%s" "x"}}', "x-a"],
    ['{{"abc" | len}} {{.L | len | printf "%03d"}}', "3 003"],
    ['{{ .Id | printf "%s %s" "a" }}', "a sha256:abc"],
    ["{{len .L | eq 3}}", "true"],
    ["{{.T | and .F}} {{.T | or .F}}", "false true"],
    ["{{index .O 0 | json}}", '{"K":"k1","V":1}'],
  ],
  "truth and comparison": [
    [
      '{{and .T "z"}} {{or .E "d"}} {{or .E .N}} {{not .T}} {{not .N}}',
      "z d <no value> false true",
    ],
    ["{{or .T (index .L 99)}} {{and .F (index .L 99)}}", "true false"],
    [
      '{{and 1 2 0 3}} {{or 0 "" 5 6}} {{and true}} {{or false}}',
      "0 5 true false",
    ],
    [
      '{{eq .Id "sha256:abc"}} {{eq .Id "a" "sha256:abc"}} {{eq 1 1}} {{eq 1 2 3 1}} {{eq 1.0 1.0}} {{eq true .T}}',
      "true true true true true true",
    ],
    [
      "{{eq .N nil}} {{eq nil .N}} {{eq nil nil}} {{eq .L nil}} {{eq nil .M}}",
      "true true true false false",
    ],
    [
      '{{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}} {{lt "a" "b"}} {{lt 1.5 2.5}}',
      "true true true false true true true",
    ],
  ],
  "index, slice and len": [
    ["{{index .L 0}} {{index .L 2}}", "a c"],
    ['{{index .M "a"}} {{index .M "nope"}}', "1 <no value>"],
    ['{{index .M "c" "d" 1}}', "1"],
    ["{{index .Id 0}}", "115"],
    ['{{ index (index .O 0) "K" }}', "k1"],
    ["{{index .L}}", "[a b c]"],
    [
      "{{len .L}} {{len .M}} {{len .S}} {{len .Wide}} {{len .LE}}",
      "3 3 13 9 0",
    ],
    [
      "{{slice .Id 0 3}} {{slice .L 1}} {{slice .L 1 2}} {{slice .L}} {{slice .L 0 1 2}}",
      "sha [b c] [b] [a b c] [a]",
    ],
    ["{{index .Wide 0}} {{slice .Wide 0 3}}", "230 日"],
  ],
  "print and println": [
    ['{{print "a" "b" 1 2 "c" true nil}}', "ab1 2ctrue <nil>"],
    [
      "{{print .N}} {{print 1 2}} {{print .L .M}}",
      "<nil> 1 2 [a b c] map[a:1 b:2 c:map[d:[x 1 <nil> true]]]",
    ],
    ['{{println "a" 1}}x', "a 1\nx"],
  ],
  printf: [
    [
      '{{printf "%s|%v|%q|%d|%t|%x|%f|%g" "a" "b" "c" 4 true "hi" 1.5 2.5}}',
      'a|b|"c"|4|true|6869|1.500000|2.5',
    ],
    [
      '{{printf "%-10s|%10s|%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%U" "a" "b" 3 4 5 6 255 255 8 5 65 66}}',
      "a         |         b|    3|4    |00005|+6|ff|FF|10|101|A|U+0042",
    ],
    [
      '{{printf "%d" "a"}} {{printf "%s" 1}} {{printf "%z" 1}} {{printf "%!" }} {{printf "%"}} {{printf "%d"}} {{printf "x" 1 "b"}}',
      "%!d(string=a) %!s(int=1) %!z(int=1) %!!(MISSING) %!(NOVERB) %!d(MISSING) x%!(EXTRA int=1, string=b)",
    ],
    [
      '{{printf "%T %T %T %T %T %T %T" .S .I .L .M .T 1 1.5}} {{printf "%T" nil}} {{printf "%T" .N}}',
      "string json.Number []interface {} map[string]interface {} bool int float64 <nil> <nil>",
    ],
    [
      '{{printf "%v %+v %#v" .M .M .M}}',
      'map[a:1 b:2 c:map[d:[x 1 <nil> true]]] map[a:1 b:2 c:map[d:[x 1 <nil> true]]] map[string]interface {}{"a":"1", "b":"2", "c":map[string]interface {}{"d":[]interface {}{"x", "1", interface {}(nil), true}}}',
    ],
    [
      '{{printf "%#v %#v %#v %#v %#v" .L .S 1 1.5 true}}',
      '[]interface {}{"a", "b", "c"} "héllo <w>&\\"\'" 1 1.5 true',
    ],
    [
      '{{printf "%s" .L}} {{printf "%q" .L}} {{printf "%d" .L}} {{printf "%x" .L}}',
      '[a b c] ["a" "b" "c"] [%!d(string=a) %!d(string=b) %!d(string=c)] [61 62 63]',
    ],
    [
      '{{printf "%[2]s %[1]s" "a" "b"}} {{printf "%[3]s" "a"}} {{printf "%[x]s" "a"}} {{printf "%*d" 5 1}} {{printf "%-*d|" 5 1}} {{printf "%.*f" 2 3.14159}} {{printf "%*d" "a" 1}}',
      "b a %!s(BADINDEX) %!s(BADINDEX)     1 1    | 3.14 %!(BADWIDTH)1",
    ],
    [
      '{{printf "%.2f %8.3f %e %.3e %G %g %g %g" 3.14159 2.71828 123456.789 0.00012 1e21 1e20 1e-7 100000.0}}',
      "3.14    2.718 1.234568e+05 1.200e-04 1E+21 1e+20 1e-07 100000",
    ],
    [
      '{{printf "%.3s|%.0s|%5.1s|%-5.1s|" "héllo" "abc" "xyz" "xyz"}}',
      "hél||    x|x    |",
    ],
    [
      '{{printf "%5v" .L}} {{printf "%05d" -42}} {{printf "% d" 42}} {{printf "% x" "abc"}} {{printf "%#x" "abc"}} {{printf "%# x" "abc"}} {{printf "%#o %#b %O" 8 5 8}}',
      "[    a     b     c] -0042  42 61 62 63 0x616263 0x61 0x62 0x63 010 0b101 0o10",
    ],
    [
      '{{printf "%q %+q %#q" "é\\n" "é\\n" "é"}} {{printf "%q" 65}} {{printf "%#U" 128512}} {{printf "%c" 128512}}',
      "\"é\\n\" \"\\u00e9\\n\" `é` 'A' U+1F600 '😀' 😀",
    ],
    ['{{printf "%%"}} {{printf "%5%"}} {{printf "%v%%" 5}}', "% % 5%"],
    [
      '{{printf "%6.2f|%-8.1f|%08.3f|%+.1f" 1.005 2.25 -3.14159 1.0}}',
      "  1.00|2.2     |-003.142|+1.0",
    ],
    [
      '{{printf "%s" nil}} {{printf "%v" nil}} {{printf "%d" nil}} {{printf "%w" "a"}} {{printf "%p" "a"}}',
      "%!s(<nil>) <nil> %!d(<nil>) %!w(string=a) %!p(string=a)",
    ],
    [
      '{{printf "%v %s" (index .O 0) .Nested}} {{printf "%#v" .O}} {{printf "%#v" .Nested}} {{printf "%#v" .N}}',
      'map[K:k1 V:1] [[1 2] [3]] []interface {}{map[string]interface {}{"K":"k1", "V":"1"}, map[string]interface {}{"K":"k2", "V":"2"}} []interface {}{[]interface {}{"1", "2"}, []interface {}{"3"}} <nil>',
    ],
    [
      '{{printf "%06s|%06q|%-06d|%06v|%06t" "ab" "cd" 5 "x" true}} {{printf "%06.2d|%6.3d|%+06d|% 06d" 5 5 5 5}}',
      '0000ab|00"cd"|5     |00000x|00true     05|   005|+00005| 00005',
    ],
    [
      '{{printf "%.0d|%.0x|%.0d" 0 0 1}} {{printf "%5.0d|" 0}} {{printf "%U %#U %08U" 9731 9731 65}} {{printf "%#q" "a`b"}} {{printf "%#x %#X" 255 255}}',
      "||1      | U+2603 U+2603 '☃'   U+0041 \"a`b\" 0xff 0XFF",
    ],
    [
      '{{printf "%x|%X|%.3x|%20x|%+x|%b" 1.5 1.5 1.23456 3.7 2.0 1.5}} {{printf "%x %b" 0.0 0.0}} {{printf "%b" 1e300}}',
      "0x1.8p+00|0X1.8P+00|0x1.3c1p+00|0x1.d99999999999ap+01|+0x1p+01|6755399441055744p-52 0x0p+00 0p-1074 6724873095247260p+944",
    ],
    [
      '{{printf "%#g|%#g|%#.3g|%#e|%#.0f|%#.0e|%#g" 1.0 1e6 2.5 1.0 3.0 4.0 0.0}}',
      "1.00000|1.00000e+06|2.50|1.000000e+00|3.|4.e+00|0.00000",
    ],
    [
      '{{printf "%-6s|" .Wide}} {{printf "%.1s" .Wide}} {{printf "%x" .Wide}}',
      "日本語   | 日 e697a5e69cace8aa9e",
    ],
    [
      '{{printf "%d %s" .I .I}} {{printf "%6d|%-6d" 42 42}} {{printf "%3c|%-3c|" 65 66}} {{printf "%+q" "日本"}} {{printf "%x" -255}}',
      '%!d(json.Number=42) 42     42|42       A|B  | "\\u65e5\\u672c" -ff',
    ],
  ],
  "html, js, urlquery": [
    [
      '{{html .S}} {{js .S}} {{urlquery .S}} {{html 1 2 "a<"}} {{html .N}} {{html .L}} {{js "a\\tb\\u2028é=&"}} {{urlquery "a b/c?d=é~-_."}}',
      "héllo &lt;w&gt;&amp;&#34;&#39; héllo \\u003Cw\\u003E\\u0026\\\"\\' h%C3%A9llo+%3Cw%3E%26%22%27 1 2a&lt; &lt;no value&gt; [a b c] a\\u0009b\\u2028é\\u003D\\u0026 a+b%2Fc%3Fd%3D%C3%A9~-_.",
    ],
  ],
  "docker's functions": [
    [
      "{{json .}}",
      '{"Big":1234567890123,"Ctl":"a\\tb\\nc\\u0001","E":"","F":false,"Fl":1.5,"I":42,"Id":"sha256:abc","L":["a","b","c"],"LE":[],"Labels":{"a":"b","com.x.y":"v"},"M":{"a":"1","b":"2","c":{"d":["x",1,null,true]}},"ME":{},"N":null,"Neg":-7,"Nested":[[1,2],[3]],"O":[{"K":"k1","V":1},{"K":"k2","V":2}],"S":"héllo <w>&\\"\'","T":true,"Wide":"日本語","ZZ":false,"é":"accent"}',
    ],
    [
      "{{json .S}} {{json .N}} {{json .L}} {{json .Ctl}} {{json .M}}",
      '"héllo <w>&\\"\'" null ["a","b","c"] "a\\tb\\nc\\u0001" {"a":"1","b":"2","c":{"d":["x",1,null,true]}}',
    ],
    [
      '{{json .Big}} {{json .Fl}} {{json 1.0}} {{json 1e21}} {{json 1e-7}} {{json "<>&"}} {{json true}} {{json nil}}',
      '1234567890123 1.5 1 1e+21 1e-7 "<>&" true null',
    ],
    [
      '{{split .Id ":"}} {{join (split .Id ":") "-"}} {{split "abc" ""}} {{split "" ","}} {{split "a" ","}} {{len (split "" "")}}',
      "[sha256 abc] sha256-abc [a b c] [] [a] 0",
    ],
    [
      '{{title .S}} {{lower "ABC É"}} {{upper "abc é ß"}} {{title "hello wOrld-foo_bar 1x it\'s"}}',
      "Héllo <W>&\"' abc é ABC É ß Hello WOrld-Foo_bar 1x It'S",
    ],
    ['{{pad "x" 2 3}}| {{pad "" 2 3}}| {{pad "x" 0 0}}|', "  x   | | x|"],
    [
      '{{truncate "hello" 3}} {{truncate "hi" 5}} {{truncate "hello" 0}}',
      "hel hi ",
    ],
  ],
  "what cannot be read": [
    ["{{.S.}}", { error: "template: :1: unexpected <.> in operand" }],
    ["{{.S..T}}", { error: "template: :1: unexpected <.> in operand" }],
    [
      '{{"abc".X}}',
      { error: 'template: :1: unexpected . after term "\\"abc\\""' },
    ],
    ["{{1.X}}", { error: 'template: :1: bad number syntax: "1.X"' }],
    ["{{nil.X}}", { error: 'template: :1: unexpected . after term "nil"' }],
    ["{{nosuch .S}}", { error: 'template: :1: function "nosuch" not defined' }],
    ["{{(.S}}", { error: "template: :1: unclosed left paren" }],
    [
      '{{define "x"}}a{{end}}{{define "x"}}b{{end}}',
      { error: 'template: :1: template: multiple definition of template "x"' },
    ],
    [
      "{{define x}}a{{end}}",
      { error: 'template: :1: unexpected "x" in define clause' },
    ],
    [
      '{{define "x" 1}}a{{end}}',
      { error: 'template: :1: unexpected "1" in define clause' },
    ],
    ['{{define "x"}}', { error: "template: :1: unexpected EOF" }],
    [
      '{{block "y"}}<{{.}}>{{end}}',
      { error: "template: :1: missing value for block clause" },
    ],
    ["{{/* comment }}", { error: "template: :1: unclosed comment" }],
    [
      "{{/* comment */ }}",
      { error: "template: :1: comment ends before closing delimiter" },
    ],
    ["{{-.I}}", { error: 'template: :1: bad number syntax: "-.I"' }],
    ["{{.I-}}", { error: "template: :1: bad character U+002D '-'" }],
    ["{{", { error: "template: :1: unclosed action" }],
    ["{{.S", { error: "template: :1: unclosed action" }],
    ["{{}}", { error: "template: :1: missing value for command" }],
    ["{{ }}", { error: "template: :1: missing value for command" }],
    ["{{end}}", { error: "template: :1: unexpected {{end}}" }],
    ["{{else}}", { error: "template: :1: unexpected {{else}}" }],
    ["{{if}}x{{end}}", { error: "template: :1: missing value for if" }],
    ["{{if .T}}x", { error: "template: :1: unexpected EOF" }],
    ["{{range}}x{{end}}", { error: "template: :1: missing value for range" }],
    ["{{with}}{{end}}", { error: "template: :1: missing value for with" }],
    [
      "{{if .T}}x{{else}}y{{else}}z{{end}}",
      { error: "template: :1: expected end; found {{else}}" },
    ],
    [
      "{{range .L}}{{else if .T}}{{end}}",
      { error: "template: :1: unexpected <if> in input" },
    ],
    [
      '{{"unterminated}}',
      { error: "template: :1: unterminated quoted string" },
    ],
    [
      "{{`unterminated}}",
      { error: "template: :1: unterminated raw quoted string" },
    ],
    ["{{'a}}", { error: "template: :1: unterminated character constant" }],
    ["{{'ab'}}", { error: "template: :1: malformed character constant: 'ab'" }],
    ["{{''}}", { error: "template: :1: invalid syntax" }],
    ['{{"a\\qb"}}', { error: "template: :1: invalid syntax" }],
    ["{{1__0}}", { error: 'template: :1: illegal number syntax: "1__0"' }],
    ["{{08}}", { error: 'template: :1: integer overflow: "08"' }],
    ["{{0x}}", { error: 'template: :1: illegal number syntax: "0x"' }],
    ["{{1e}}", { error: 'template: :1: illegal number syntax: "1e"' }],
    ["{{1x}}", { error: 'template: :1: bad number syntax: "1x"' }],
    [
      "{{18446744073709551616}}",
      { error: 'template: :1: integer overflow: "18446744073709551616"' },
    ],
    ["{{1e400}}", { error: 'template: :1: illegal number syntax: "1e400"' }],
    ["{{@}}", { error: 'template: :1: unexpected "@" in command' }],
    ["{{.S @}}", { error: 'template: :1: unexpected "@" in operand' }],
    ["{{.S,}}", { error: 'template: :1: unexpected "," in operand' }],
    ["{{é}}", { error: 'template: :1: function "é" not defined' }],
    ["{{$x.y}}", { error: 'template: :1: undefined variable "$x"' }],
    ["{{$y}}", { error: 'template: :1: undefined variable "$y"' }],
    [
      "{{if .T}}{{$z := 1}}{{end}}{{$z}}",
      { error: 'template: :1: undefined variable "$z"' },
    ],
    ["{{:}}", { error: "template: :1: expected :=" }],
    ["{{:=}}", { error: 'template: :1: unexpected ":=" in command' }],
    ["{{.S := 1}}", { error: 'template: :1: unexpected ":=" in operand' }],
    [
      "{{$x, $y := 1}}",
      { error: "template: :1: too many declarations in command" },
    ],
    [
      "{{range $x, $y, $z := .L}}{{end}}",
      { error: "template: :1: too many declarations in range" },
    ],
    [
      "{{range $x, 1 := .L}}{{end}}",
      { error: "template: :1: range can only initialize variables" },
    ],
    [
      "{{range $x, $y}}{{end}}",
      { error: 'template: :1: undefined variable "$y"' },
    ],
    ["{{$x :=}}", { error: "template: :1: missing value for command" }],
    ["{{|}}", { error: 'template: :1: unexpected "|" in command' }],
    ["{{.S|}}", "héllo <w>&\"'"],
    ["{{|.S}}", { error: 'template: :1: unexpected "|" in command' }],
    ["{{.S||.T}}", { error: 'template: :1: unexpected "|" in command' }],
    [
      "{{1 | 2}}",
      { error: "template: :1: non executable command in pipeline stage 2" },
    ],
    [
      '{{.S | "x"}}',
      { error: "template: :1: non executable command in pipeline stage 2" },
    ],
    ["{{break}}", { error: "template: :1: {{break}} outside {{range}}" }],
    ["{{continue}}", { error: "template: :1: {{continue}} outside {{range}}" }],
    [
      "{{range .L}}{{break 1}}{{end}}",
      { error: 'template: :1: unexpected "1" in {{break}}' },
    ],
    [
      "{{if .T}}{{break}}{{end}}",
      { error: "template: :1: {{break}} outside {{range}}" },
    ],
    ["line\n{{.S\n}}{{end}}", { error: "template: :3: unexpected {{end}}" }],
    ["{{if\n.S}}\n{{.x y", { error: 'template: :3: function "y" not defined' }],
  ],
  "what fails on its way": [
    [
      "{{$x = 1}}",
      { error: 'template: :1:7: executing "" at <1>: undefined variable: $x' },
    ],
    [
      "{{.Foo}}",
      {
        error:
          'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"',
      },
    ],
    [
      "{{.M.zzz}}",
      {
        error:
          'template: :1:4: executing "" at <.M.zzz>: map has no entry for key "zzz"',
      },
    ],
    [
      "{{.Id.Foo}}",
      {
        error:
          'template: :1:5: executing "" at <.Id.Foo>: can\'t evaluate field Foo in type interface {}',
      },
    ],
    [
      "{{.N.Foo}}",
      {
        error:
          'template: :1:4: executing "" at <.N.Foo>: nil pointer evaluating interface {}.Foo',
      },
    ],
    [
      "a\nbé{{.T.Foo}}",
      {
        error:
          'template: :2:7: executing "" at <.T.Foo>: can\'t evaluate field Foo in type interface {}',
      },
    ],
    [
      "{{index .L 3}}",
      {
        error:
          'template: :1:2: executing "" at <index .L 3>: error calling index: reflect: slice index out of range',
      },
    ],
    [
      "{{index .L 5}}",
      {
        error:
          'template: :1:2: executing "" at <index .L 5>: error calling index: index out of range: 5',
      },
    ],
    [
      "{{index .L -1}}",
      {
        error:
          'template: :1:2: executing "" at <index .L -1>: error calling index: index out of range: -1',
      },
    ],
    [
      '{{index .L "x"}}',
      {
        error:
          'template: :1:2: executing "" at <index .L "x">: error calling index: cannot index slice/array with type string',
      },
    ],
    [
      "{{index .M 1}}",
      {
        error:
          'template: :1:2: executing "" at <index .M 1>: error calling index: value has type int; should be string',
      },
    ],
    [
      "{{index .N 1}}",
      {
        error:
          'template: :1:2: executing "" at <index .N 1>: error calling index: index of untyped nil',
      },
    ],
    [
      "{{index nil 1}}",
      {
        error:
          'template: :1:2: executing "" at <index nil 1>: error calling index: index of untyped nil',
      },
    ],
    [
      "{{index}}",
      {
        error:
          'template: :1:2: executing "" at <index>: wrong number of args for index: want at least 1 got 0',
      },
    ],
    [
      "{{len .T}}",
      {
        error:
          'template: :1:2: executing "" at <len .T>: error calling len: len of type bool',
      },
    ],
    [
      "{{len .N}}",
      {
        error:
          'template: :1:2: executing "" at <len .N>: error calling len: len of nil pointer',
      },
    ],
    [
      "{{len 3}}",
      {
        error:
          'template: :1:2: executing "" at <len 3>: error calling len: len of type int',
      },
    ],
    [
      "{{slice .Id 5 2}}",
      {
        error:
          'template: :1:2: executing "" at <slice .Id 5 2>: error calling slice: invalid slice index: 5 > 2',
      },
    ],
    [
      "{{slice .Id 0 1 2}}",
      {
        error:
          'template: :1:2: executing "" at <slice .Id 0 1 2>: error calling slice: cannot 3-index slice a string',
      },
    ],
    [
      "{{slice .M 1}}",
      {
        error:
          'template: :1:2: executing "" at <slice .M 1>: error calling slice: can\'t slice item of type map[string]interface {}',
      },
    ],
    [
      "{{slice .Id 0 99}}",
      {
        error:
          'template: :1:2: executing "" at <slice .Id 0 99>: error calling slice: index out of range: 99',
      },
    ],
    [
      "{{slice .L .I}}",
      {
        error:
          'template: :1:2: executing "" at <slice .L .I>: error calling slice: cannot index slice/array with type interface {}',
      },
    ],
    [
      "{{range .Id}}x{{end}}",
      {
        error:
          'template: :1:8: executing "" at <.Id>: range can\'t iterate over sha256:abc',
      },
    ],
    [
      "{{range .T}}x{{end}}",
      {
        error:
          'template: :1:8: executing "" at <.T>: range can\'t iterate over true',
      },
    ],
    [
      "{{range 2.5}}x{{end}}",
      {
        error:
          'template: :1:8: executing "" at <2.5>: range can\'t iterate over 2.5',
      },
    ],
    [
      "{{and}}",
      {
        error:
          'template: :1:2: executing "" at <and>: wrong number of args for and: want at least 1 got 0',
      },
    ],
    [
      "{{and .T (index .L 99)}}",
      {
        error:
          'template: :1:10: executing "" at <index .L 99>: error calling index: index out of range: 99',
      },
    ],
    [
      "{{eq .I 42}}",
      {
        error:
          'template: :1:2: executing "" at <eq .I 42>: error calling eq: incompatible types for comparison',
      },
    ],
    [
      "{{eq 1 1.0}}",
      {
        error:
          'template: :1:2: executing "" at <eq 1 1.0>: error calling eq: incompatible types for comparison',
      },
    ],
    [
      '{{eq "a" 1}}',
      {
        error:
          'template: :1:2: executing "" at <eq "a" 1>: error calling eq: incompatible types for comparison',
      },
    ],
    [
      "{{eq 1}}",
      {
        error:
          'template: :1:2: executing "" at <eq 1>: error calling eq: missing argument for comparison',
      },
    ],
    [
      "{{lt .T .F}}",
      {
        error:
          'template: :1:2: executing "" at <lt .T .F>: error calling lt: invalid type for comparison',
      },
    ],
    [
      "{{lt .N 1}}",
      {
        error:
          'template: :1:2: executing "" at <lt .N 1>: error calling lt: invalid type for comparison',
      },
    ],
    [
      '{{lt 1 "a"}}',
      {
        error:
          'template: :1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison',
      },
    ],
    [
      "{{lt .L .L}}",
      {
        error:
          'template: :1:2: executing "" at <lt .L .L>: error calling lt: invalid type for comparison',
      },
    ],
    [
      "{{lt 1 2.0}}",
      {
        error:
          'template: :1:2: executing "" at <lt 1 2.0>: error calling lt: incompatible types for comparison',
      },
    ],
    [
      "{{printf 1}}",
      {
        error: 'template: :1:9: executing "" at <1>: expected string; found 1',
      },
    ],
    [
      "{{printf .N}}",
      {
        error:
          'template: :1:9: executing "" at <.N>: wrong type for value; expected string; got interface {}',
      },
    ],
    [
      '{{pad "x" -1 0}}',
      {
        error:
          'template: :1:2: executing "" at <pad "x" -1 0>: error calling pad: strings: negative Repeat count',
      },
    ],
    [
      '{{truncate "hello" -1}}',
      {
        error:
          'template: :1:2: executing "" at <truncate "hello" -1>: error calling truncate: runtime error: slice bounds out of range [:-1]',
      },
    ],
    [
      "{{pad .S .I 1}}",
      {
        error:
          'template: :1:9: executing "" at <.I>: wrong type for value; expected int; got json.Number',
      },
    ],
    [
      "{{upper .I}}",
      {
        error:
          'template: :1:8: executing "" at <.I>: wrong type for value; expected string; got json.Number',
      },
    ],
    [
      "{{upper .N}}",
      {
        error:
          'template: :1:8: executing "" at <.N>: wrong type for value; expected string; got interface {}',
      },
    ],
    [
      "{{upper 1}}",
      {
        error: 'template: :1:8: executing "" at <1>: expected string; found 1',
      },
    ],
    [
      "{{upper}}",
      {
        error:
          'template: :1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 0',
      },
    ],
    [
      '{{upper "a" "b"}}',
      {
        error:
          'template: :1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 2',
      },
    ],
    [
      '{{join .L ","}}',
      {
        error:
          'template: :1:7: executing "" at <.L>: wrong type for value; expected []string; got []interface {}',
      },
    ],
    [
      "{{call nil}}",
      {
        error:
          'template: :1:2: executing "" at <call nil>: error calling call: call of nil',
      },
    ],
    [
      "{{call}}",
      {
        error:
          'template: :1:2: executing "" at <call>: wrong number of args for call: want at least 1 got 0',
      },
    ],
    [
      "{{nil}}",
      { error: 'template: :1:2: executing "" at <nil>: nil is not a command' },
    ],
    [
      "{{(nil).X}}",
      { error: 'template: :1:3: executing "" at <nil>: nil is not a command' },
    ],
    [
      '{{.S "arg"}}',
      {
        error:
          'template: :1:2: executing "" at <.S>: S is not a method but has arguments',
      },
    ],
    [
      '{{.M.a "arg"}}',
      {
        error:
          'template: :1:4: executing "" at <.M.a>: a is not a method but has arguments',
      },
    ],
    [
      "{{1 2}}",
      {
        error:
          'template: :1:2: executing "" at <1>: can\'t give argument to non-function 1',
      },
    ],
    [
      "{{. 1}}",
      {
        error:
          'template: :1:2: executing "" at <.>: can\'t give argument to non-function .',
      },
    ],
    [
      "{{.S | .M}}",
      {
        error:
          'template: :1:7: executing "" at <.M>: M is not a method but has arguments',
      },
    ],
    [
      '{{template "x"}}',
      {
        error:
          'template: :1:11: executing "" at <{{template "x"}}>: template "x" not defined',
      },
    ],
    [
      "{{9223372036854775808}}",
      {
        error:
          'template: :1:2: executing "" at <9223372036854775808>: 9223372036854775808 overflows int',
      },
    ],
    [
      '{{define "d"}}{{.Foo}}{{end}}{{template "d" .}}',
      {
        error:
          'template: :1:16: executing "d" at <.Foo>: map has no entry for key "Foo"',
      },
    ],
  ],
  [NEWER]: [
    ["{{.S)}}", { error: "template: :1: unexpected right paren" }],
    [
      "{{call .L 1 2}}",
      {
        error:
          'template: :1:2: executing "" at <call .L 1 2>: error calling call: non-function .L of type []interface {}',
      },
    ],
    ["{{range 3}}{{.}}{{end}}", "012"],
    ["{{range $i := 3}}{{$i}}{{end}}", "012"],
    ["{{range 0}}x{{else}}zero{{end}}", "zero"],
    [
      "{{range $i, $j := 3}}{{$i}}{{end}}",
      {
        error:
          'template: :1:18: executing "" at <3>: can\'t use 3 to iterate over more than one variable',
      },
    ],
    ["{{with .E}}x{{else with .S}}{{.}}{{else}}z{{end}}", "héllo <w>&\"'"],
    [
      "{{$x := 1}}{{range $x = .O}}{{$x}}{{end}}{{$x}}",
      "map[K:k1 V:1]map[K:k2 V:2]map[K:k2 V:2]",
    ],
    [
      "{{$x := 1}}{{$i := 1}}{{range $i, $x = .L}}{{$i}}{{$x}}{{end}}",
      "0a1b2c",
    ],
    [
      "{{eq .M 1}}",
      {
        error:
          'template: :1:2: executing "" at <eq .M 1>: error calling eq: incompatible types for comparison',
      },
    ],
    [
      "{{ne .L 1}}",
      {
        error:
          'template: :1:2: executing "" at <ne .L 1>: error calling ne: incompatible types for comparison',
      },
    ],
    [
      "{{eq .L .L}}",
      {
        error:
          'template: :1:2: executing "" at <eq .L .L>: error calling eq: non-comparable type [a b c]: []interface {}',
      },
    ],
    [
      "{{call .S}}",
      {
        error:
          'template: :1:2: executing "" at <call .S>: error calling call: non-function .S of type string',
      },
    ],
    [
      "{{.S | call}}",
      {
        error:
          'template: :1:7: executing "" at <call>: error calling call: non-function héllo <w>&"\' of type string',
      },
    ],
  ],
};

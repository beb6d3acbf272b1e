// The completion scripts in the shells they are for: what a line is when Tab has done its work.
import { chmod, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { completionScript } from "#src/cli/completion/script.js";
import { COMMANDS, SHELLS, type Shell } from "#src/cli/commands.js";
import { optionSpecs } from "#src/cli/options.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { Cleanups, run, runOk } from "../helpers/run.js";
import { tpullOk } from "../helpers/tpull-cli.js";

const cleanups = new Cleanups();
let folder: string;

/**
 * Stands in for tpull: names images when a script asks for them (one tells
 * which root was asked for), and notes down every other command line.
 */
const STAND_IN = `#!/bin/bash
if [[ $1 == images && $2 == --format ]]; then
  root=\${TPULL_ROOT:-no-root}
  for word in "$@"; do case $word in --root=*) root=\${word#--root=} ;; esac; done
  printf '%s\\n' nginx:1.26 nginx:latest '' registry.example:5000/team/app:v1 "of\${root// /_}:x"
  echo 'nothing of this may be seen' >&2
  exit
fi
printf '%s\\0' "$@" >>"$TPULL_TEST_LINES"
printf '\\n' >>"$TPULL_TEST_LINES"
`;

beforeAll(async () => {
  folder = await cleanups.tempDir();
  await writeFile(join(folder, "tpull"), STAND_IN);
  await chmod(join(folder, "tpull"), 0o755);
  await writeFile(join(folder, "some-certificate.pem"), "");
  for (const shell of SHELLS) {
    const script = await tpullOk(["completion", shell]);
    await writeFile(join(folder, `script.${shell}`), script);
  }
});
afterAll(() => cleanups.close());

function environment(lines: string): Record<string, string> {
  return {
    PATH: [folder, process.env["PATH"]].join(delimiter),
    HOME: folder,
    TERM: "dumb",
    INPUTRC: "/dev/null",
    TPULL_ROOT: "/from/environment",
    TPULL_TEST_LINES: lines,
  };
}

const INTERACTIVE = {
  bash: ["--norc", "--noprofile", "-i"],
  zsh: ["-f", "-i"],
} as const;

let typings = 0;

/** Types lines at a shell's prompt, `\t` for Tab; gives the words that tpull was then run with. */
async function typed(
  shell: "bash" | "zsh",
  lines: readonly string[],
  before = "",
): Promise<string[][]> {
  const record = join(folder, `lines-${typings++}`);
  await writeFile(record, "");
  // The prompt is not in the echo of what sets it.
  const setUp = `${before}source ./script.${shell}; PS1='TY''PE '\n`;
  const steps = [
    ["", setUp],
    ...lines.map((line) => ["TYPE ", `${line}\n`]),
    ["TYPE ", "exit\n"],
  ];
  await runOk(
    requirePeer("python3"),
    [
      join(import.meta.dirname, "../helpers/terminal.py"),
      JSON.stringify(steps),
      requirePeer(shell),
      ...INTERACTIVE[shell],
    ],
    { env: environment(record), cwd: folder },
  );
  const text = await readFile(record, "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\0").slice(0, -1));
}

/** What is typed, and the words that come of it. */
const LINES: readonly (readonly [line: string, words: readonly string[]])[] = [
  ["tpull insp\tnginx:la\t", ["inspect", "nginx:latest"]],
  ["tpull rmi reg\t", ["rmi", "registry.example:5000/team/app:v1"]],
  [
    "tpull rmi registry.example:5000/te\t",
    ["rmi", "registry.example:5000/team/app:v1"],
  ],
  ["tpull image hist\tnginx:1\t", ["image", "history", "nginx:1.26"]],
  ["tpull system d\t", ["system", "df"]],
  [
    "tpull tag nginx:1\treg\t",
    ["tag", "nginx:1.26", "registry.example:5000/team/app:v1"],
  ],
  [
    "tpull verify nginx:1\t nginx:l\t",
    ["verify", "nginx:1.26", "nginx:latest"],
  ],
  ["tpull layers of\t", ["layers", "of/from/environment:x"]],
  ["tpull --root /srv/a rmi of\t", ["--root", "/srv/a", "rmi", "of/srv/a:x"]],
  ["tpull rmi --root=/srv/b of\t", ["rmi", "--root=/srv/b", "of/srv/b:x"]],
  [
    "tpull rmi --root '/srv/c d' of\t",
    ["rmi", "--root", "/srv/c d", "of/srv/c_d:x"],
  ],
  // History takes one image, a pull none of the root's.
  ["tpull history nginx:1.26 reg\t", ["history", "nginx:1.26", "reg"]],
  ["tpull pull reg\t", ["pull", "reg"]],
  ["tpull reg\t", ["reg"]],
  ["tpull -- ima\t", ["--", "ima"]],
  ["tpull nginx ima\t", ["nginx", "ima"]],
  ["tpull images --filter dang\tt\t", ["images", "--filter", "dangling=true"]],
  ["tpull images --filter=dangling=f\t", ["images", "--filter=dangling=false"]],
  ["tpull images -f ref\tnginx", ["images", "-f", "reference=nginx"]],
  ["tpull prune -f --filt\tunt\t24h", ["prune", "-f", "--filter", "until=24h"]],
  ["tpull inspect -f js\t", ["inspect", "-f", "json"]],
  ["tpull pull --progress=pl\t", ["pull", "--progress=plain"]],
  ["tpull --platform linux/s\t", ["--platform", "linux/s390x"]],
  ["tpull verify --quic\t", ["verify", "--quick"]],
  [
    "tpull --limit-rate 1m verify --rep\t",
    ["--limit-rate", "1m", "verify", "--repair"],
  ],
  [
    "tpull plan --ca-file some\t",
    ["plan", "--ca-file", "some-certificate.pem"],
  ],
  [
    "tpull save -o some\tnginx:1\t",
    ["save", "-o", "some-certificate.pem", "nginx:1.26"],
  ],
  [
    "tpull image load -i some\t",
    ["image", "load", "-i", "some-certificate.pem"],
  ],
  ["tpull bundle -f some\t", ["bundle", "-f", "some-certificate.pem"]],
  ["tpull loc\t--che\tsome\t", ["lock", "--check", "some-certificate.pem"]],
  ["tpull completion f\t", ["completion", "fish"]],
  ["tpull help compl\t", ["help", "completion"]],
];

// zsh joins an option that it completes with its value.
const joined = (words: readonly string[]): string[] =>
  words.flatMap((word, at) =>
    words[at - 1] === "--filter" && word.startsWith("until")
      ? []
      : word === "--filter" && words[at + 1]?.startsWith("until")
        ? [`--filter=${words[at + 1]}`]
        : [word],
  );

describeWithPeers("bash", ["bash", "python3"], {}, () => {
  it("completes commands, options, values and names", async () => {
    const lines = LINES.map(([line]) => line);
    expect(await typed("bash", lines)).toEqual(LINES.map(([, words]) => words));
  });

  it("does so whatever signs it cuts words at", async () => {
    const lines = [
      "tpull rmi nginx:la\t",
      "tpull rmi --root=/srv/b of\t",
      "tpull images --filter=dangling=f\t",
    ];
    const words = [
      ["rmi", "nginx:latest"],
      ["rmi", "--root=/srv/b", "of/srv/b:x"],
      ["images", "--filter=dangling=false"],
    ];
    const none = "COMP_WORDBREAKS=$' \\t\\n'; ";
    expect(await typed("bash", lines, none)).toEqual(words);
    const more = "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:@/'; ";
    expect(
      await typed(
        "bash",
        ["tpull rmi nginx:la\t", "tpull rmi registry.example:5000/te\t"],
        more,
      ),
    ).toEqual([
      ["rmi", "nginx:latest"],
      ["rmi", "registry.example:5000/team/app:v1"],
    ]);
  });

  it("leaves the words of other commands in the line alone", async () => {
    expect(await typed("bash", ["true a:b; tpull rmi nginx:la\t"])).toEqual([
      ["rmi", "nginx:latest"],
    ]);
  });
});

describeWithPeers("zsh", ["zsh", "python3"], {}, () => {
  it("completes commands, options, values and names", async () => {
    const lines = LINES.map(([line]) => line);
    expect(await typed("zsh", lines)).toEqual(
      LINES.map(([, words]) => joined(words)),
    );
  });

  it("is also a function for fpath", async () => {
    const script = await readFile(join(folder, "script.zsh"), "utf8");
    await writeFile(join(folder, "_tpull"), script);
    const before = `fpath+=("$PWD"); autoload -Uz compinit; compinit -u -D; `;
    const record = await typed(
      "zsh",
      ["tpull rmi nginx:la\t"],
      `${before}cp script.zsh kept.zsh; : > script.zsh; `,
    );
    await writeFile(join(folder, "script.zsh"), script);
    expect(record).toEqual([["rmi", "nginx:latest"]]);
  });
});

describeWithPeers("fish", ["fish"], {}, () => {
  /** What fish offers for a line, without the descriptions. */
  async function offered(line: string): Promise<string[]> {
    const quoted = line.replaceAll(/[\\']/g, "\\$&");
    const text = await runOk(
      requirePeer("fish"),
      ["--no-config", "-c", `source ./script.fish; complete -C '${quoted}'`],
      { env: environment("/dev/null"), cwd: folder },
    );
    const lines = text.split("\n").slice(0, -1);
    return lines.map((each) => each.split("\t")[0] ?? "");
  }

  test.each([
    ["tpull insp", ["inspect"]],
    ["tpull inspect nginx:la", ["nginx:latest"]],
    [
      "tpull rmi registry.example:5000/te",
      ["registry.example:5000/team/app:v1"],
    ],
    ["tpull image hist", ["history"]],
    ["tpull image history nginx:", ["nginx:1.26", "nginx:latest"]],
    ["tpull system ", ["df", "info"]],
    ["tpull layers of", ["of/from/environment:x"]],
    ["tpull --root /srv/a rmi of", ["of/srv/a:x"]],
    ["tpull rmi --root=/srv/b of", ["of/srv/b:x"]],
    ["tpull rmi --root '/srv/c d' of", ["of/srv/c_d:x"]],
    ["tpull history nginx:1.26 ng", []],
    ["tpull pull reg", []],
    ["tpull nginx ima", []],
    ["tpull -- ima", []],
    ["tpull images --filter dang", ["dangling=false", "dangling=true"]],
    ["tpull images -f before", ["before="]],
    ["tpull prune -f --dry", ["--dry-run"]],
    ["tpull inspect -f js", ["json"]],
    ["tpull --platform linux/s", ["linux/s390x"]],
    ["tpull verify --quic", ["--quick"]],
    ["tpull --limit-rate 1m verify --rep", ["--repair"]],
    ["tpull plan --ca-file some", ["some-certificate.pem"]],
    ["tpull save -o some", ["some-certificate.pem"]],
    ["tpull save -o x nginx:1", ["nginx:1.26"]],
    ["tpull completion ", ["bash", "fish", "zsh"]],
    ["tpull help compl", ["completion"]],
  ])("%s", async (line, words) => {
    expect((await offered(line)).sort()).toEqual([...words].sort());
  });

  it("describes what it offers", async () => {
    const text = await runOk(
      requirePeer("fish"),
      [
        "--no-config",
        "-c",
        "source ./script.fish; complete -C 'tpull verify --qui'",
      ],
      { env: environment("/dev/null"), cwd: folder },
    );
    expect(text).toContain(
      "--quick\tcheck names, chains and links only, and read no content",
    );
  });
});

for (const shell of SHELLS) {
  describeWithPeers(`the script for ${shell}`, [shell], {}, () => {
    it("is free of errors of syntax", async () => {
      const script = join(folder, `script.${shell}`);
      const { code, stderr } = await run(requirePeer(shell), ["-n", script]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    });
  });
}

describe.each(SHELLS)("for %s", (shell: Shell) => {
  const script = completionScript(shell);

  it("is what the command prints", async () => {
    expect(await tpullOk(["completion", shell])).toBe(script);
  });

  it("knows every command and every option", () => {
    for (const name of Object.keys(COMMANDS)) expect(script).toContain(name);
    for (const [name] of optionSpecs()) {
      const flag = shell === "fish" ? `-l ${name} ` : `--${name}`;
      expect(script).toContain(flag);
    }
  });
});

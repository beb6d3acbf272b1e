/** Help text, made from the tables of `commands.ts` and `options.ts`, 80 columns wide. */
import type { HelpTopic } from "./args.js";
import {
  COMMANDS,
  isManagementWord,
  managementGroup,
  type CommandGroup,
  type CommandName,
  type CommandSpec,
  type HelpRow,
  type ManagementWord,
} from "./commands.js";
import {
  isFor,
  optionSpecs,
  shortOf,
  type OptionName,
  type OptionSpec,
} from "./options.js";

const WIDTH = 80;
/** Longer terms would leave too little of the line for the texts. */
const WIDEST_TERM = 27;
const PURPOSE =
  "tpull - pull container images into a docker data root, without a daemon,\nand look after what is there";
const GROUPS: readonly (readonly [CommandGroup, string])[] = [
  ["registries", "Commands that ask registries"],
  ["root", "Commands for what is in a data root"],
  ["elsewhere", "Commands that carry images elsewhere"],
  ["tpull", "Other commands"],
];
const COMMAND_NOTES =
  "docker's forms are the same commands: tpull image ls|pull|inspect|history|tag|rm|prune|save|load, tpull system df|info, and tpull ls. 'tpull COMMAND --help' explains one command.";

const USAGE_STATUS: HelpRow = [
  "2",
  "the command line is wrong; nothing was done",
];
const STOPPED_STATUS: HelpRow = [
  "130, 143",
  "stopped by Ctrl-C, by SIGTERM (141: nobody reads stdout)",
];
const ENVIRONMENT: readonly HelpRow[] = [
  ["TPULL_ROOT", "data root when --root is not given"],
  ["DOCKER_CONFIG", "docker's configuration when --config is not given"],
  [
    "TPULL_KEEP_BLOBS",
    "1 is --keep-blobs, a size like 20GB also the limit for it",
  ],
  ["TPULL_DEBUG", "1 prints the stack of what is a defect in tpull"],
];

const LOGIN_ENVIRONMENT: readonly HelpRow[] = [
  [
    "DOCKER_CONFIG",
    "folder of docker's config.json, where log-ins are kept when --config is not given (default: ~/.docker); a helper that it names (credsStore, credHelpers) keeps the secret",
  ],
];

/** The text for `tpull --help` (no topic) or `tpull TOPIC --help`. */
export function helpText(topic?: HelpTopic): string {
  if (isManagementWord(topic)) return managementText(topic);
  const sections =
    topic === undefined
      ? [PURPOSE, section("Usage", overview()), ...commandSections()]
      : [
          `tpull ${topic} - ${COMMANDS[topic].summary}`,
          section("Usage", usageLines(topic)),
        ];
  sections.push(...commandText(topic ?? "pull", topic === undefined));
  return `${sections.join("\n\n")}\n`;
}

/** What there is to say of a command behind its usage; of the default command among others with its name. */
function commandText(command: CommandName, isDefault: boolean): string[] {
  const spec = COMMANDS[command];
  const of = isDefault ? ` of tpull ${command}` : "";
  const sections: string[] = [];
  const add = (title: string, lines: readonly string[]): void => {
    if (lines.length > 0) sections.push(section(title, lines));
  };
  add("Arguments", table(spec.arguments ?? []));
  add(`Options${of}`, table(optionRows(command, undefined)));
  const registry = optionRows(command, "registry");
  add(`Options${of} for registries`, table(registry));
  add("Examples", exampleLines(spec.examples));
  add("Environment", table(environmentOf(command)));
  if (spec.status !== undefined) {
    add("Exit status", table(statusRows(spec.status)));
  }
  return sections;
}

function environmentOf(command: CommandName): readonly HelpRow[] {
  if (command === "pull" || command === "prefetch") return ENVIRONMENT;
  return command === "login" || command === "logout" ? LOGIN_ENVIRONMENT : [];
}

/** The usage of the command that needs no name, and that of all others. */
function overview(): string[] {
  return [...usageLines("pull"), "  tpull COMMAND [options] [ARGUMENT...]"];
}

function commandSections(): string[] {
  const rows = GROUPS.map(([group, title]) => ({
    title,
    rows: Object.entries(COMMANDS)
      .filter(([, spec]) => spec.group === group)
      .map(([name, { summary }]): HelpRow => [name, summary]),
  }));
  const left = leftOf(rows.flatMap((each) => each.rows));
  return [
    ...rows.map((each) => section(each.title, table(each.rows, left))),
    wrap(COMMAND_NOTES, WIDTH).join("\n"),
  ];
}

/** `tpull image --help`: which commands docker's two words are. */
function managementText(word: ManagementWord): string {
  const group = Object.entries(managementGroup(word) ?? {});
  const rows = group.map(([second, name]): HelpRow => [
    second,
    `tpull ${name}: ${COMMANDS[name].summary}`,
  ]);
  return `${[
    `tpull ${word} - docker's form of other commands`,
    section("Usage", [`  tpull ${word} COMMAND [options] [ARGUMENT...]`]),
    section("Commands", table(rows)),
    `'tpull ${word} COMMAND --help' explains one of them.`,
  ].join("\n\n")}\n`;
}

function statusRows({
  done,
  failed,
  others = [],
}: NonNullable<CommandSpec["status"]>): HelpRow[] {
  return [["0", done], ["1", failed], USAGE_STATUS, ...others, STOPPED_STATUS];
}

function section(title: string, lines: readonly string[]): string {
  return [`${title}:`, ...lines].join("\n");
}

function usageLines(command: CommandName): string[] {
  return COMMANDS[command].usage.map((line) => `  ${line}`);
}

function optionRows(
  command: CommandName,
  group: OptionSpec["group"],
): HelpRow[] {
  return optionSpecs()
    .filter(([, spec]) => isFor(spec, command) && spec.group === group)
    .map(([name, spec]) => [
      optionName(name, spec, shortOf(spec, command)),
      optionHelp(spec, command),
    ]);
}

function optionName(
  name: OptionName,
  spec: OptionSpec,
  letter: string | undefined,
): string {
  const short = letter === undefined ? "    " : `-${letter}, `;
  const value = spec.metavar === undefined ? "" : ` ${spec.metavar}`;
  return `${short}--${name}${value}`;
}

function optionHelp(spec: OptionSpec, command: CommandName): string {
  const own = spec.at?.[command];
  const text = own?.help ?? spec.help;
  const notes = [
    ...(spec.repeatable ? ["may be repeated"] : []),
    ...defaultNote(own?.default ?? spec.default),
  ];
  return notes.length === 0 ? text : `${text} (${notes.join("; ")})`;
}

function defaultNote(value: string | undefined): string[] {
  return value === undefined ? [] : [`default: ${value}`];
}

function exampleLines(examples: readonly HelpRow[]): string[] {
  const width = Math.max(...examples.map(([line]) => line.length));
  return examples.map(
    ([line, remark]) => `  ${line.padEnd(width)}  # ${remark}`,
  );
}

/** Where the texts of a table begin. */
function leftOf(rows: readonly HelpRow[]): number {
  const widths = rows.map(([term]) => term.length + 4);
  return Math.max(...widths.filter((width) => width <= WIDEST_TERM));
}

/** Two columns, the second one wrapped. */
function table(
  rows: readonly HelpRow[],
  left: number = leftOf(rows),
): string[] {
  return rows.flatMap(([term, text]) => {
    const lines = wrap(text, WIDTH - left).map(
      (line) => " ".repeat(left) + line,
    );
    const [first = ""] = lines;
    // A long term has its line to itself.
    return term.length + 4 > left
      ? [`  ${term}`, ...lines]
      : [`  ${term}`.padEnd(left) + first.slice(left), ...lines.slice(1)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

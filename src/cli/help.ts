/** Help text, made from the tables of `commands.ts` and `options.ts`, 80 columns wide. */
import {
  COMMANDS,
  type CommandName,
  type CommandSpec,
  type HelpRow,
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
  "tpull - pull container images into a docker data root, without a daemon";

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
  ["TPULL_DEBUG", "1 prints the stack of what is a defect in tpull"],
];

const LOGIN_ENVIRONMENT: readonly HelpRow[] = [
  [
    "DOCKER_CONFIG",
    "folder of docker's config.json, where log-ins are kept when --config is not given (default: ~/.docker); a helper that it names (credsStore, credHelpers) keeps the secret",
  ],
];

/** The text for `tpull --help` (no command) or `tpull COMMAND --help`. */
export function helpText(command?: CommandName): string {
  const subject = command ?? "pull";
  const spec = COMMANDS[subject];
  const sections = [
    command === undefined ? PURPOSE : `tpull ${command} - ${spec.summary}`,
    section("Usage", usageLines(command)),
  ];
  if (command === undefined) {
    sections.push(section("Commands", table(commandRows())));
  }
  if (spec.arguments !== undefined) {
    sections.push(section("Arguments", table(spec.arguments)));
  }
  sections.push(section("Options", table(optionRows(subject, undefined))));
  const registry = optionRows(subject, "registry");
  if (registry.length > 0) {
    sections.push(section("Options for registries", table(registry)));
  }
  if (spec.examples.length > 0) {
    sections.push(section("Examples", exampleLines(spec.examples)));
  }
  if (subject === "login" || subject === "logout") {
    sections.push(section("Environment", table(LOGIN_ENVIRONMENT)));
  }
  if (subject === "pull") {
    sections.push(section("Environment", table(ENVIRONMENT)));
  }
  if (spec.status !== undefined) {
    sections.push(section("Exit status", table(statusRows(spec.status))));
  }
  return `${sections.join("\n\n")}\n`;
}

function statusRows({
  done,
  failed,
}: NonNullable<CommandSpec["status"]>): HelpRow[] {
  return [["0", done], ["1", failed], USAGE_STATUS, STOPPED_STATUS];
}

function section(title: string, lines: readonly string[]): string {
  return [`${title}:`, ...lines].join("\n");
}

function usageLines(command: CommandName | undefined): string[] {
  const shown =
    command === undefined ? Object.values(COMMANDS) : [COMMANDS[command]];
  return shown.flatMap(({ usage }) => usage.map((line) => `  ${line}`));
}

function commandRows(): HelpRow[] {
  return Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]);
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

/** Two columns, the second one wrapped. */
function table(rows: readonly HelpRow[]): string[] {
  const widths = rows.map(([term]) => term.length + 4);
  const left = Math.max(...widths.filter((width) => width <= WIDEST_TERM));
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

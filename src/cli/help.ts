/** Help text, made from the tables of `options.ts`, 80 columns wide. */
import {
  COMMANDS,
  isFor,
  optionSpecs,
  type CommandName,
  type OptionName,
  type OptionSpec,
} from "./options.js";

const WIDTH = 80;
const PURPOSE =
  "tpull - pull container images into a docker data root, without a daemon";

const IMAGE_ARGUMENT: [string, string] = [
  "IMAGE",
  "[host[:port]/]repository[:tag][@digest], read as docker reads it: docker.io, library/ and :latest may be left out",
];
const EXIT_STATUS: [string, string][] = [
  ["0", "every image is in the data root"],
  ["1", "an image failed; the others are there nevertheless"],
  ["2", "the command line is wrong; nothing was done"],
  ["130, 143", "stopped by Ctrl-C, by SIGTERM (141: nobody reads stdout)"],
];
const ENVIRONMENT: [string, string][] = [
  ["TPULL_ROOT", "data root when --root is not given"],
  ["TPULL_DEBUG", "1 prints the stack of what is a defect in tpull"],
];

/** The text for `tpull --help` (no command) or `tpull COMMAND --help`. */
export function helpText(command?: CommandName): string {
  const subject = command ?? "pull";
  const sections = [
    command === undefined
      ? PURPOSE
      : `tpull ${command} - ${COMMANDS[command].summary}`,
    section("Usage", usageLines(command)),
  ];
  if (command === undefined) {
    sections.push(section("Commands", table(commandRows())));
  }
  if (subject === "pull") {
    sections.push(section("Arguments", table([IMAGE_ARGUMENT])));
  }
  sections.push(section("Options", table(optionRows(subject))));
  const examples = COMMANDS[subject].examples;
  if (examples.length > 0) {
    sections.push(section("Examples", exampleLines(examples)));
  }
  if (subject === "pull") {
    sections.push(
      section("Environment", table(ENVIRONMENT)),
      section("Exit status", table(EXIT_STATUS)),
    );
  }
  return `${sections.join("\n\n")}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return [`${title}:`, ...lines].join("\n");
}

function usageLines(command: CommandName | undefined): string[] {
  const shown =
    command === undefined ? Object.values(COMMANDS) : [COMMANDS[command]];
  return shown.flatMap(({ usage }) => usage.map((line) => `  ${line}`));
}

function commandRows(): [string, string][] {
  return Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]);
}

function optionRows(command: CommandName): [string, string][] {
  return optionSpecs()
    .filter(([, spec]) => isFor(spec, command))
    .map(([name, spec]) => [optionName(name, spec), optionHelp(spec, command)]);
}

function optionName(name: OptionName, spec: OptionSpec): string {
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  const value = spec.metavar === undefined ? "" : ` ${spec.metavar}`;
  return `${short}--${name}${value}`;
}

function optionHelp(spec: OptionSpec, command: CommandName): string {
  const own = command === "demo" ? spec.demoDefault : undefined;
  const value = own ?? spec.default;
  return value === undefined ? spec.help : `${spec.help} (default: ${value})`;
}

function exampleLines(
  examples: readonly (readonly [string, string])[],
): string[] {
  const width = Math.max(...examples.map(([line]) => line.length));
  return examples.map(
    ([line, remark]) => `  ${line.padEnd(width)}  # ${remark}`,
  );
}

/** Two columns, the second one wrapped. */
function table(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([term]) => term.length)) + 4;
  return rows.flatMap(([term, text]) =>
    wrap(text, WIDTH - left).map((line, index) =>
      index === 0 ? `  ${term}`.padEnd(left) + line : " ".repeat(left) + line,
    ),
  );
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

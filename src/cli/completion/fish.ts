/** Completion for fish, from 3.1 on. */
import {
  completedCommands,
  IMAGE_NAMES,
  namedCommands,
  secondWords,
  topWords,
  valueFlags,
  type CompletedCommand,
  type CompletedOption,
  type Described,
  type Offer,
} from "./model.js";

export function fishScript(): string {
  const commands = completedCommands();
  const groups = secondWords();
  const pairs = commands.flatMap((command) =>
    valueFlags(command).map((flag) =>
      flag.startsWith("--") ? flag : `${command.name} ${flag}`,
    ),
  );
  return `# fish completion for tpull: tpull completion fish | source

# The command that the line names and how many operands follow it. Without one
# it is "first", and behind a word that wants another one "first" and that word.
function __tpull_scan
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l command
    set -l first
    set -l pending
    set -l dashes
    set -l operands 0
    for token in $tokens
        if test -n "$pending"
            set pending
            continue
        end
        if test -z "$dashes"
            switch $token
                case --
                    set dashes 1
                    test -n "$command"; or set command pull
                    continue
                case '--*=*'
                    continue
                case '-*'
                    contains -- $token $__tpull_valued; and set pending 1
                    contains -- "$command $token" $__tpull_valued; and set pending 1
                    continue
            end
        end
        if test -n "$command"
            set operands (math $operands + 1)
            continue
        end
        switch (string join ' ' -- $first $token)
${namedCommands()
  .map(
    ([words, name]) =>
      `            case ${quoted(words)}\n                set command ${name}`,
  )
  .join("\n")}
            case ${groups.map(([word]) => word).join(" ")}
                set first $token
            case '*'
                test -n "$first"; and set command none; or set command pull
                set operands 1
        end
    end
    if test -n "$command"
        echo $command
    else
        echo (string join ' ' -- first $first)
    end
    echo $operands
end

function __tpull_is
    set -l found (__tpull_scan)
    contains -- $found[1] $argv
end

# Whether the command may have one operand more.
function __tpull_wants --argument-names command most
    set -l found (__tpull_scan)
    test "$found[1]" = $command; and test $found[2] -lt $most
end

# Names of the images in the data root that the line names.
function __tpull_images
    set -l tokens (commandline -opc)
    set -l root
    set -l pending
    for token in $tokens
        if test -n "$pending"
            set root --root=(string replace -r '^~(?=/|$)' -- $HOME $token)
            set pending
        end
        switch $token
            case --root
                set pending 1
            case '--root=*'
                set root --root=(string replace -r '^--root=' '' -- $token | string replace -r '^~(?=/|$)' -- $HOME)
        end
    end
    set -l program (string replace -r '^~(?=/|$)' -- $HOME $tokens[1])
    $program ${IMAGE_NAMES.map(quoted).join(" ")} $root 2>/dev/null </dev/null | string match -v ''
end

# Options that take a value; a letter does so for some commands only.
set -g __tpull_valued ${[...new Set(pairs)].map(quoted).join(" ")}

complete -c tpull -e
complete -c tpull -f
${topWords()
  .map((word) => wordLine("first", word))
  .join("\n")}
${groups
  .flatMap(([first, followers]) =>
    followers.map((word) => wordLine(`first ${first}`, word)),
  )
  .join("\n")}
${commands.flatMap(commandLines).join("\n")}
`;
}

function wordLine(state: string, [word, summary]: Described): string {
  return `complete -c tpull -n ${quoted(`__tpull_is ${quoted(state)}`)} -a ${quoted(word)} -d ${quoted(summary)}`;
}

function commandLines(command: CompletedCommand): string[] {
  const { name, operand, most } = command;
  // The word pull may be left out.
  const states = name === "pull" ? "pull first" : name;
  const condition = `-n ${quoted(`__tpull_is ${states}`)}`;
  const options = command.options.map(
    (option) => `complete -c tpull ${condition} ${optionPart(option)}`,
  );
  if (operand.kind === "nothing") return options;
  const limit = Number.isFinite(most) ? most : 1_000_000;
  return [
    ...options,
    `complete -c tpull -n ${quoted(`__tpull_wants ${name} ${limit}`)} ${offerPart(operand)}`,
  ];
}

function optionPart({ long, short, help, value }: CompletedOption): string {
  return [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    `-l ${long.slice(2)}`,
    ...(value === undefined ? [] : [valuePart(value.offer)]),
    `-d ${quoted(help)}`,
  ].join(" ");
}

function valuePart(offer: Offer): string {
  if (offer.kind === "files") return "-r -F";
  return offer.kind === "nothing" ? "-x" : `-x ${offerPart(offer)}`;
}

function offerPart(offer: Offer): string {
  switch (offer.kind) {
    case "folders":
      return "-a '(__fish_complete_directories)'";
    case "images":
      return "-a '(__tpull_images)'";
    case "words":
      return `-a ${quoted(offer.words.join(" "))}`;
    default:
      return "-F";
  }
}

/** Within single quotes, where fish knows two escapes. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}

/** Completion for zsh: sourced, or as a file `_tpull` in $fpath. */
import {
  completedCommands,
  IMAGE_NAMES,
  namedCommands,
  secondWords,
  shQuoted,
  topWords,
  valueFlags,
  type CompletedCommand,
  type CompletedOption,
  type Described,
  type Offer,
} from "./model.js";

export function zshScript(): string {
  const commands = completedCommands();
  const groups = secondWords();
  const longs = new Set(
    commands.flatMap(valueFlags).filter((flag) => flag.startsWith("--")),
  );
  return `#compdef tpull
# zsh completion for tpull: source <(tpull completion zsh)

# Names of the images in the data root that the line names.
_tpull_images() {
  local -a names expl
  local root= word
  integer i
  for (( i = 2; i < CURRENT; i++ )); do
    word=\${(Q)words[i]}
    case $word in
      --root) root=\${(Q)words[i + 1]} ;;
      --root=*) root=\${word#--root=} ;;
    esac
  done
  names=(\${(f)"$(\${(Q)words[1]/#\\~/$HOME} ${IMAGE_NAMES.map(shQuoted).join(" ")} \\
    \${root:+--root=\${root/#\\~/$HOME}} 2>/dev/null </dev/null)"})
  _wanted images expl image compadd -a names
}

# Words; those that end with = go on without a space.
_tpull_words() {
  local -a expl
  _wanted values expl value compadd -S '' -- \${(M)@:#*=}
  _wanted values expl value compadd -- \${@:#*=}
}

_tpull_first() {
  local -a list
  list=(
${described(topWords())}
  )
  _describe -t commands command list
}
${groups
  .map(
    ([word, followers]) => `
_tpull_${word}() {
  local -a list
  list=(
${described(followers)}
  )
  _describe -t commands command list
}
`,
  )
  .join("")}
_tpull() {
  local curcontext=$curcontext command= first= word
  local -A opt_args
  local -a line state state_descr
  integer i=2

  # The words that name the command are taken away; what is left is its line.
  while (( i < CURRENT )); do
    word=\${(Q)words[i]}
    case $word in
      --) command=pull; break ;;
      ${[...longs].join("|")}) (( i++ )) ;;
      -*) ;;
      *)
        case \${first:+$first }$word in
${namedCommands()
  .map(([words, name]) => `          ${shQuoted(words)}) command=${name} ;;`)
  .join("\n")}
        esac
        if [[ -z $command && -z $first && $word != (${groups.map(([word]) => word).join("|")}) ]]; then
          command=pull
          break
        fi
        words[i]=()
        (( CURRENT-- ))
        if [[ -n $command ]]; then
          break
        elif [[ -n $first ]]; then
          return 1
        fi
        first=$word
        continue
        ;;
    esac
    (( i++ ))
  done

  case \${command:-$first} in
${commands.map(commandCase).join("\n")}
${groups
  .map(
    ([word]) => `    ${word})
      _arguments -s -S : '1: :_tpull_${word}'
      ;;`,
  )
  .join("\n")}
    *)
      _arguments -s -S : \\
${optionLines(commands.find(({ name }) => name === "pull"))} \\
        '1: :_tpull_first'
      ;;
  esac
}

if [[ \${funcstack[1]} == _tpull ]]; then
  _tpull "$@"
else
  if (( ! $+functions[compdef] )); then
    autoload -Uz compinit && compinit
  fi
  compdef _tpull tpull
fi
`;
}

function described(words: readonly Described[]): string {
  return words
    .map(
      ([word, summary]) =>
        `    ${shQuoted(`${word}:${summary.replaceAll(":", "\\:")}`)}`,
    )
    .join("\n");
}

function commandCase(command: CompletedCommand): string {
  const operand = operandSpec(command);
  return `    ${command.name})
      _arguments -s -S : \\
${optionLines(command)}${operand === undefined ? "" : ` \\\n        ${shQuoted(operand)}`}
      ;;`;
}

function operandSpec({ operand, most }: CompletedCommand): string | undefined {
  if (operand.kind === "nothing") return undefined;
  return `${most === 1 ? "1" : "*"}: :${action(operand)}`;
}

function optionLines(command: CompletedCommand | undefined): string {
  return (command?.options ?? [])
    .map((option) => `        ${optionSpec(option)}`)
    .join(" \\\n");
}

/** One option as `_arguments` takes it. */
function optionSpec({
  long,
  short,
  help,
  value,
  repeatable,
}: CompletedOption): string {
  const takes =
    value === undefined
      ? ""
      : `:${value.name.replaceAll(":", "\\:")}:${action(value.offer)}`;
  const text = shQuoted(`[${help.replaceAll(/[[\]\\]/g, "\\$&")}]${takes}`);
  const name = value === undefined ? long : `${long}=`;
  if (short === undefined)
    return `${repeatable ? shQuoted("*") : ""}${name}${text}`;
  const letter = value === undefined ? short : `${short}+`;
  const alone = shQuoted(repeatable ? "*" : `(${short} ${long})`);
  return `${alone}{${letter},${name}}${text}`;
}

function action(offer: Offer): string {
  switch (offer.kind) {
    case "folders":
      return "_files -/";
    case "files":
      return "_files";
    case "images":
      return "_tpull_images";
    case "words":
      return ` _tpull_words ${offer.words.map((word) => word.replaceAll(/[!:]/g, "\\$&")).join(" ")}`;
    case "nothing":
      return "";
  }
}

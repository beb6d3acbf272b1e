/** Completion for bash, from 3.2 on, with or without the package bash-completion. */
import {
  completedCommands,
  IMAGE_NAMES,
  namedCommands,
  secondWords,
  shQuoted,
  topWords,
  type CompletedCommand,
  type Offer,
} from "./model.js";

export function bashScript(): string {
  const commands = completedCommands();
  return `# bash completion for tpull: source <(tpull completion bash)

# The command that one or two words name.
_tpull_command() {
  case $1 in
${namedCommands()
  .map(([words, name]) => `    ${shQuoted(words)}) command=${name} ;;`)
  .join("\n")}
    *) return 1 ;;
  esac
}

# What is offered for the value of an option; fails for one that takes none.
_tpull_value() {
  case "$1 $2" in
${offerCases(commands)}
    *) return 1 ;;
  esac
}

# The options of a command.
_tpull_options() {
  case $1 in
${commands
  .map(({ name, options }) => {
    const flags = options.flatMap(({ long, short }) => [short ?? [], long]);
    return `    ${name}) words="${flags.flat().join(" ")}" ;;`;
  })
  .join("\n")}
  esac
}

# What is offered for the operands of a command, and how many of them there may be.
_tpull_operand() {
  case $1 in
${commands
  .filter(({ operand }) => operand.kind !== "nothing")
  .map(({ name, operand, most }) => {
    const limit = Number.isFinite(most) ? most : 1_000_000;
    return `    ${name}) most=${limit} ${assigned(operand)} ;;`;
  })
  .join("\n")}
    *) return 1 ;;
  esac
}

# Names of the images in the data root that the line names.
_tpull_images() {
  "\${line[0]/#\\~/$HOME}" ${IMAGE_NAMES.map(shQuoted).join(" ")} \\
    \${root:+"--root=\${root/#\\~/$HOME}"} 2>/dev/null </dev/null
}

# Adds to the answer what begins with the word at the cursor.
_tpull_offer() {
  local word
  case $1 in
    folders | files)
      if type compopt >/dev/null 2>&1; then compopt -o filenames; fi
      while IFS= read -r word; do
        COMPREPLY+=("$word")
      done < <(compgen "$([[ $1 == files ]] && echo -f || echo -d)" -- "$current")
      ;;
    images)
      while IFS= read -r word; do
        if [[ $word && $word == "$current"* ]]; then COMPREPLY+=("$word"); fi
      done < <(_tpull_images)
      ;;
    words)
      for word in $words; do
        if [[ $word == "$current"* ]]; then COMPREPLY+=("$word"); fi
      done
      ;;
  esac
}

_tpull() {
  local IFS=$' \\t\\n'
  local line=() rest=\${COMP_LINE:0:COMP_POINT} ends= i word
  local command= first= root= pending= dashes= operands=0 most=0
  local offer= words= current= prefix= sign cut=0
  COMPREPLY=()

  # bash has cut the words at the signs of COMP_WORDBREAKS; those of the line are wanted.
  if [[ $rest == *[[:space:]] ]]; then ends=1; fi
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ \${#line[@]} -gt 0 && $rest != [[:space:]]* && ($rest || ! $ends) ]]; then
      if ((i == COMP_CWORD)); then word=$rest; fi
      line[\${#line[@]} - 1]+=$word
    else
      rest=\${rest#"\${rest%%[![:space:]]*}"}
      if ((i == COMP_CWORD)); then word=$rest; fi
      line+=("$word")
    fi
    rest=\${rest#"$word"}
  done

  for ((i = 1; i < \${#line[@]} - 1; i++)); do
    word=\${line[i]//[\\"\\'\\\\]/}
    if [[ $pending ]]; then
      if [[ $pending == --root ]]; then root=$word; fi
      pending=
      continue
    fi
    if [[ ! $dashes && $word == -?* ]]; then
      case $word in
        --) dashes=1 ;;
        --root=*) root=\${word#--root=} ;;
        --*=*) ;;
        *) if _tpull_value "\${command:-pull}" "$word"; then pending=$word; fi ;;
      esac
    elif [[ $command || $dashes ]]; then
      : "\${command:=pull}"
      operands=$((operands + 1))
    elif _tpull_command "\${first:+$first }$word"; then
      first=
    elif [[ $first ]]; then
      return
    else
      case $word in
        ${secondWords()
          .map(([word]) => word)
          .join(" | ")}) first=$word ;;
        *) command=pull operands=1 ;;
      esac
    fi
  done

  current=\${line[\${#line[@]} - 1]}
  if [[ $pending ]]; then
    _tpull_value "\${command:-pull}" "$pending"
  elif [[ ! $dashes && $current == --*=* ]]; then
    prefix=\${current%%=*}=
    current=\${current#*=}
    _tpull_value "\${command:-pull}" "\${prefix%=}" || return
  elif [[ ! $dashes && $current == -* ]]; then
    offer=words
    _tpull_options "\${command:-pull}"
  elif [[ $first ]]; then
    offer=words
    case $first in
${secondWords()
  .map(([word, followers]) => {
    const list = followers.map(([second]) => second).join(" ");
    return `      ${word}) words="${list}" ;;`;
  })
  .join("\n")}
    esac
  elif [[ ! $command && ! $dashes ]]; then
    offer=words
    words="${topWords()
      .map(([word]) => word)
      .join(" ")}"
  elif _tpull_operand "\${command:-pull}" && ((operands < most)); then
    : "$offer"
  else
    return
  fi
  _tpull_offer "$offer"

  # What is left of the last sign at which bash cuts words stays where it is.
  word=$prefix$current
  for ((i = 0; i < \${#word}; i++)); do
    sign=\${word:i:1}
    if [[ $COMP_WORDBREAKS == *"$sign"* ]]; then cut=$((i + 1)); fi
  done
  for ((i = 0; i < \${#COMPREPLY[@]}; i++)); do
    word=$prefix\${COMPREPLY[i]}
    COMPREPLY[i]=\${word:cut}
  done
  # A filter's value follows its sign at once.
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && type compopt >/dev/null 2>&1; then
    compopt -o nospace
  fi
}

complete -F _tpull tpull
`;
}

/** Lines of a `case` that set what is offered for the value of an option. */
function offerCases(commands: readonly CompletedCommand[]): string {
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ long, short, value }) =>
      value === undefined
        ? []
        : [{ name, long, short, set: assigned(value.offer) }],
    ),
  );
  // A long option takes a value also before the command is known.
  const usual = new Map(values.map(({ long, set }) => [long, set]));
  const patterns = new Map<string, string[]>();
  const add = (set: string, pattern: string): void => {
    patterns.set(set, [...(patterns.get(set) ?? []), pattern]);
  };
  for (const { name, long, short, set } of values) {
    if (usual.get(long) !== set) add(set, shQuoted(`${name} ${long}`));
    if (short !== undefined) add(set, shQuoted(`${name} ${short}`));
  }
  const special = [...patterns];
  patterns.clear();
  for (const [long, set] of usual) add(set, `*${shQuoted(` ${long}`)}`);
  return [...special, ...patterns]
    .map(([set, list]) => `    ${list.join(" | ")}) ${set} ;;`)
    .join("\n");
}

function assigned(offer: Offer): string {
  return offer.kind === "words"
    ? `offer=words words=${shQuoted(offer.words.join(" "))}`
    : `offer=${offer.kind}`;
}

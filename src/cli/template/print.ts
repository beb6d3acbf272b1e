/** Go's print, println and printf, for every kind of value. */
import {
  CallProblem,
  formatError,
  LONGEST_OUTPUT,
  LONGEST_TEXT,
} from "./problem.js";
import { typeName, type GoType, type StructType } from "./types.js";
import type { GoData, GoValue } from "./values.js";
import {
  formatBool,
  formatFloat,
  formatInteger,
  formatString,
  NO_FLAGS,
  padded,
  type Flags,
} from "./verbs.js";

/** A value to print; undefined is Go's nil without a type. */
export type Printed = GoValue | undefined;

/** Where Go prints an address, which tells nobody anything. */
const SOME_ADDRESS = 0xc000000000n;

/** `print`: a space between operands of which neither is a string. */
export function sprint(values: readonly Printed[]): string {
  let text = "";
  let afterText = true;
  for (const each of values) {
    const value = each?.type.kind === "interface" ? held(each.data) : each;
    const isText = value?.type.kind === "string";
    if (!isText && !afterText) text += " ";
    text += formatValue(value, "v", NO_FLAGS);
    afterText = isText;
    refuseLong(text);
  }
  return text;
}

/** `println`: a space between all operands, and a line break. */
export function sprintln(values: readonly Printed[]): string {
  const texts = values.map((value) => formatValue(value, "v", NO_FLAGS));
  const text = `${texts.join(" ")}\n`;
  refuseLong(text);
  return text;
}

function refuseLong(text: string): void {
  if (text.length > LONGEST_TEXT) throw new CallProblem("the text is too long");
}

/** One value by one verb. */
export function formatValue(
  value: Printed,
  verb: string,
  flags: Flags,
): string {
  if (value?.type.kind === "interface") {
    return formatValue(held(value.data), verb, flags);
  }
  if (value === undefined) {
    return verb === "T" || verb === "v"
      ? padded("<nil>", flags, flags.zero)
      : `%!${verb}(<nil>)`;
  }
  if (verb === "T") {
    return formatString(typeName(value.type), "s", flags) ?? "";
  }
  return new ValueWriter(verb, flags).write(value.type, value.data, 0);
}

/** What is in an interface. */
export function held(data: GoData): GoValue | undefined {
  return (data as GoValue | null) ?? undefined;
}

class ValueWriter {
  readonly #verb: string;
  readonly #flags: Flags;
  /** Whether a value is shown inside of a complaint, without code of its type. */
  readonly #complains: boolean;
  #length = 0;

  constructor(verb: string, flags: Flags, complains: boolean = false) {
    this.#verb = verb;
    this.#flags = flags;
    this.#complains = complains;
  }

  write(type: GoType, data: GoData, depth: number): string {
    const text = this.#own(type, data) ?? this.#plain(type, data, depth);
    this.#length += text.length;
    if (this.#length > LONGEST_OUTPUT) {
      throw formatError("template: the text is too long");
    }
    return text;
  }

  /** What the type's own `String()` says. */
  #own(type: GoType, data: GoData): string | undefined {
    const stringer =
      type.kind === "pointer" && data !== null ? type.element : type;
    const isNil = type.kind === "pointer" && data === null;
    if (this.#complains || this.#flags.source || isNil) return undefined;
    if (stringer.text === undefined || !"vsxXq".includes(this.#verb)) {
      return undefined;
    }
    const inside = stringer === type ? data : pointed(data);
    return formatString(stringer.text(inside), this.#verb, this.#flags);
  }

  #plain(type: GoType, data: GoData, depth: number): string {
    const verb = this.#verb;
    const flags = this.#flags;
    switch (type.kind) {
      case "bool":
        return formatBool(data === true, verb, flags) ?? this.#bad(type, data);
      case "string":
        return (
          formatString(data as string, verb, flags) ?? this.#bad(type, data)
        );
      case "float64":
        return (
          formatFloat(data as number, verb, flags) ?? this.#bad(type, data)
        );
      case "map":
        return this.#address(data) ?? this.#map(type, data, depth);
      case "slice":
        return this.#address(data) ?? this.#slice(type, data, depth);
      case "struct":
        if (verb === "p") return this.#bad(type, data);
        return this.#struct(type, data, depth);
      case "pointer":
        return this.#pointer(type, data, depth);
      case "interface": {
        const inside = held(data);
        if (inside !== undefined) {
          return this.write(inside.type, inside.data, depth + 1);
        }
        return flags.source ? `${typeName(type)}(nil)` : "<nil>";
      }
      default: {
        const isSigned = type.kind.startsWith("int");
        return (
          formatInteger(data as bigint, verb, flags, isSigned) ??
          this.#bad(type, data)
        );
      }
    }
  }

  /** The whole of `%p` for what lies at an address. */
  #address(data: GoData): string | undefined {
    if (this.#verb !== "p") return undefined;
    const address = data === null ? 0n : SOME_ADDRESS;
    const flags = { ...this.#flags, sharp: !this.#flags.sharp };
    return formatInteger(address, "x", flags, false);
  }

  #map(
    type: Extract<GoType, { kind: "map" }>,
    data: GoData,
    depth: number,
  ): string {
    const { source } = this.#flags;
    if (source && data === null) return `${typeName(type)}(nil)`;
    const entries = sortedEntries(data).map(
      ([key, item]) =>
        `${this.write(type.key, key, depth + 1)}:${this.write(type.element, item, depth + 1)}`,
    );
    return source
      ? `${typeName(type)}{${entries.join(", ")}}`
      : `map[${entries.join(" ")}]`;
  }

  #slice(
    type: Extract<GoType, { kind: "slice" }>,
    data: GoData,
    depth: number,
  ): string {
    const { source } = this.#flags;
    const items = (data ?? []) as readonly GoData[];
    if (type.element.kind === "uint8" && "sqxX".includes(this.#verb)) {
      const text = Buffer.from(items.map(Number)).toString("utf8");
      return formatString(text, this.#verb, this.#flags) ?? "";
    }
    if (source && data === null) return `${typeName(type)}(nil)`;
    const texts = items.map((item) =>
      this.write(type.element, item, depth + 1),
    );
    return source
      ? `${typeName(type)}{${texts.join(", ")}}`
      : `[${texts.join(" ")}]`;
  }

  #struct(type: StructType, data: GoData, depth: number): string {
    const { source, named } = this.#flags;
    const items = data as readonly GoData[];
    const texts = type.fields.map((field, at) => {
      const text = this.write(field.type, items[at] ?? null, depth + 1);
      return source || named ? `${field.name}:${text}` : text;
    });
    return source
      ? `${typeName(type)}{${texts.join(", ")}}`
      : `{${texts.join(" ")}}`;
  }

  /** Only the outermost pointer shows what it points to. */
  #pointer(
    type: Extract<GoType, { kind: "pointer" }>,
    data: GoData,
    depth: number,
  ): string {
    const { element } = type;
    const shows =
      element.kind === "struct" ||
      element.kind === "map" ||
      element.kind === "slice";
    if (this.#verb !== "p" && depth === 0 && data !== null && shows) {
      return `&${this.write(element, pointed(data), 1)}`;
    }
    const address = data === null ? 0n : SOME_ADDRESS;
    const { source, sharp } = this.#flags;
    if (this.#verb === "v") {
      const hex = `0x${address.toString(16)}`;
      if (source) {
        return `(${typeName(type)})(${address === 0n ? "nil" : hex})`;
      }
      if (address === 0n) {
        return padded("<nil>", this.#flags, this.#flags.zero);
      }
      const flags = { ...this.#flags, sharp: !sharp };
      return formatInteger(address, "x", flags, false) ?? "";
    }
    const isNumber = "bodxX".includes(this.#verb);
    const text = isNumber
      ? formatInteger(address, this.#verb, this.#flags, false)
      : this.#address(data);
    return text ?? this.#bad(type, data);
  }

  /** A verb that the value does not have. */
  #bad(type: GoType, data: GoData): string {
    const writer = new ValueWriter("v", this.#flags, true);
    const shown = writer.write(type, data, 0);
    return `%!${this.#verb}(${typeName(type)}=${shown})`;
  }
}

/** What a pointer that is not nil points to. */
export function pointed(data: GoData): GoData {
  return (data as readonly GoData[])[0] ?? null;
}

/** A map's entries in the order of their keys' bytes. */
export function sortedEntries(data: GoData): [string, GoData][] {
  const map = (data ?? new Map()) as ReadonlyMap<string, GoData>;
  return [...map].sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
}

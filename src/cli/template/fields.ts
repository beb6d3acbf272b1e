/** Finding a field of a struct, those of embedded structs among them. */
import { pointed } from "./print.js";
import { CallProblem } from "./problem.js";
import { typeName, type StructType } from "./types.js";
import type { GoData, GoValue } from "./values.js";

/**
 * The field of that name; the struct's own one goes before those of embedded
 * structs. Undefined where there is none.
 * @throws CallProblem where it lies behind a pointer that leads nowhere
 */
export function fieldOf(
  type: StructType,
  data: GoData,
  name: string,
): GoValue | undefined {
  const items = data as readonly GoData[];
  const at = type.fields.findIndex((field) => field.name === name);
  const own = type.fields[at];
  if (own !== undefined) return { type: own.type, data: items[at] ?? null };
  for (const [index, field] of type.fields.entries()) {
    if (!field.embedded) continue;
    const { type: inner } = field;
    const struct = inner.kind === "pointer" ? inner.element : inner;
    if (struct.kind !== "struct" || !hasField(struct, name)) continue;
    const item = items[index] ?? null;
    if (inner.kind === "struct") return fieldOf(struct, item, name);
    if (item === null) {
      throw new CallProblem(
        `reflect: indirection through nil pointer to embedded struct field ${typeName(struct).replace(/^.*\./, "")}`,
      );
    }
    return fieldOf(struct, pointed(item), name);
  }
  return undefined;
}

export function hasField(type: StructType, name: string): boolean {
  return type.fields.some((field) => {
    if (field.name === name) return true;
    if (!field.embedded) return false;
    const inner =
      field.type.kind === "pointer" ? field.type.element : field.type;
    return inner.kind === "struct" && hasField(inner, name);
  });
}

/**
 * Whether the operands of `verify` are archives: a path says so, or the ending
 * of a file's name. Everything else is the name of an image.
 */
export function areArchives(operands: readonly string[]): boolean {
  return operands.some(
    (name) => /^\.{0,2}\//.test(name) || /\.(tar|tgz|tar\.\w+)$/.test(name),
  );
}

/**
 * Token scopes (distribution token spec): `type:name:action,action`, e.g.
 * `repository:library/nginx:pull`.
 */

/** The scope that reading a repository needs. */
export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

/** Splits the `scope` parameter of a challenge. */
export function splitScopes(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((scope) => scope !== "");
}

/**
 * One scope for each resource, with the actions of all given scopes; sorted,
 * so that equal sets are equal lists.
 */
export function mergeScopes(
  ...lists: readonly (readonly string[])[]
): string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of lists.flat()) {
    const colon = scope.lastIndexOf(":");
    const resource = scope.slice(0, Math.max(colon, 0));
    const set = actions.get(resource) ?? new Set();
    for (const action of scope.slice(colon + 1).split(",")) set.add(action);
    actions.set(resource, set);
  }
  return [...actions]
    .map(([resource, set]) => {
      const joined = [...set].sort().join(",");
      return resource === "" ? joined : `${resource}:${joined}`;
    })
    .sort();
}

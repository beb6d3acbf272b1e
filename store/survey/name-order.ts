/** The order in which docker gives the names of an image: that of their canonical forms. */

const OFFICIAL = "docker.io/library/";
const HUB = "docker.io/";

/** Compares two familiar references (`nginx:latest`) by what they are in full (`docker.io/library/nginx:latest`). */
export function compareNames(a: string, b: string): number {
  const [first, second] = [inFull(a), inFull(b)];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

function inFull(familiar: string): string {
  const slash = familiar.indexOf("/");
  if (slash === -1) return OFFICIAL + familiar;
  const host = familiar.slice(0, slash);
  const isHost = /[.:A-Z]/.test(host) || host === "localhost";
  return isHost ? familiar : HUB + familiar;
}

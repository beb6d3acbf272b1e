/** Durations as Go programs write them: `30s`, `200ms`, `1m30s`, `1.5h`. */

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["\u00b5s", 1e-3],
  ["\u03bcs", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
const PART = String.raw`(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)`;
const WHOLE = new RegExp(`^([+-]?)(0|(?:${PART})+)$`);

/** Longest delay that timers take. */
const MAX_MS = 2_147_483_647;

/**
 * @returns milliseconds, negative for `-1s`, or `undefined` when the text is no
 *   duration; a number alone is none, except 0
 */
export function parseDuration(text: string): number | undefined {
  const whole = WHOLE.exec(text);
  if (whole === null) return undefined;
  let sum = 0;
  for (const [, number = "", unit = ""] of text.matchAll(new RegExp(PART, "g")))
    sum += Number(number) * (UNIT_MS.get(unit) ?? 0);
  const limited = Math.min(sum, MAX_MS);
  return whole[1] === "-" ? 0 - limited : limited;
}

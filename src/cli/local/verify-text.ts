/** What a check found, in words for people. */
import {
  type Finding,
  FINDING_CODES,
  FINDING_KINDS,
  type FindingCode,
  isDamage,
  type Verification,
} from "../../../store/index.js";
import { humanSize } from "../format/units.js";
import { oneLine } from "../terminal-text.js";

/** Of one kind, so many are shown one by one; `-q` and `--json` show all. */
const MOST_SHOWN = 20;
/** So many names of images on one line. */
const MOST_NAMES = 8;

/** `TREE_DAMAGED overlay2/…/diff/etc/motd: it is missing`, whole paths. */
export function findingLine({ code, path, message }: Finding): string {
  return `${oneLine(`${code} ${path}: ${message}`)}\n`;
}

/** Findings by kind, what was not checked, and the verdict. */
export function reportText(found: Verification, quick: boolean): string {
  const groups = FINDING_CODES.flatMap((code) => {
    const findings = found.findings.filter((one) => one.code === code);
    return findings.length === 0 ? [] : [groupText(code, findings)];
  });
  const notes = found.notChecked.map(
    ({ message }) => `not checked: ${oneLine(message)}\n`,
  );
  const before = [...groups, ...(notes.length === 0 ? [] : [notes.join("")])];
  return [...before, verdictLine(found, quick)].join("\n");
}

function groupText(code: FindingCode, findings: readonly Finding[]): string {
  const count = findings.length === 1 ? "" : ` (${findings.length})`;
  const lines = [`${code}${count}: ${FINDING_KINDS[code].meaning}`];
  let names = "";
  for (const [at, { path, message, images }] of findings.entries()) {
    if (at === MOST_SHOWN) {
      lines.push(`  and ${findings.length - at} more; -q lists all of them`);
      break;
    }
    const whose = namesText(images);
    // Said once for all that concern the same images.
    if (whose !== names && whose !== "") lines.push(`  in ${whose}:`);
    names = whose;
    lines.push(`    ${shortened(path)}: ${shortened(message)}`);
  }
  lines.push(`  ${adviceFor(code)}`);
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}

function namesText(images: readonly string[]): string {
  const shown = images.slice(0, MOST_NAMES).join(", ");
  const more = images.length - MOST_NAMES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** Long IDs as docker shortens them, with a mark that something is left out. */
export function shortened(text: string): string {
  return text.replace(
    /\b([0-9a-f]{12})[0-9a-f]{52}\b/g,
    (_, start: string) => `${start}…`,
  );
}

const REPAIR = "'tpull verify --repair'";

/** What to do about a finding of this kind. */
export function adviceFor(code: FindingCode): string {
  const own = ADVICE[code];
  if (own !== undefined) return own;
  switch (FINDING_KINDS[code].remedy) {
    case "refetch":
      return `${REPAIR} fetches it again from where it came from`;
    case "derive":
      return `${REPAIR} makes it anew from what else is there`;
    case "remove":
      return `${REPAIR} removes it, when you agree`;
    case "none":
      return "nothing here can mend it";
  }
}

const ADVICE: Partial<Record<FindingCode, string>> = {
  REPOSITORIES_DAMAGED:
    "restore the file from a backup, or move it away and give the images their names again",
  REPOSITORIES_MISSING:
    "restore the file from a backup, or give the images their names again: tpull tag",
  CONFIG_UNUSABLE: "remove the image, and ask its publisher to rebuild it",
  LAYER_IRREPRODUCIBLE:
    "it runs as it is; ask its publisher to rebuild it where it has to be saved or pushed",
  CONTAINER_DAMAGED: "remove the container: docker rm",
  FOREIGN_FILE: "nothing has to be done",
};

/** The last line: whether the root is sound, and what was looked at. */
export function verdictLine(found: Verification, quick: boolean): string {
  const { findings, images, layers, files, bytes, durationMs } = found;
  const damage = findings.filter(isDamage).length;
  const foreign = findings.length - damage;
  const verdict =
    damage > 0
      ? `damaged: ${counted(damage, "finding")} in`
      : quick
        ? "sound, as far as names, chains and links go:"
        : "sound:";
  const read = quick
    ? ""
    : `; ${counted(files, "file")} looked at, ${humanSize(bytes)} read`;
  const strange = foreign === 0 ? "" : `; ${counted(foreign, "foreign file")}`;
  const time = `${(durationMs / 1000).toFixed(1)} s`;
  return `${verdict} ${counted(images, "image")} and ${counted(layers, "layer")}${read}${strange}; ${time}\n`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Configs of images that are lost: each is a blob whose digest is the image ID. */
import { digestOf, type ImageId } from "../digest.js";
import { TpullError } from "../errors.js";
import { writeImageConfig } from "../images.js";
import type { Layout } from "../layout.js";
import type { Session } from "../session.js";
import type { Finding } from "../verify/finding.js";
import type { BlobPlaces } from "./blob-places.js";
import type { RepairOptions } from "./repair-types.js";
import type { Steps } from "./steps.js";

export interface ConfigRepair extends Pick<
  RepairOptions,
  "supplier" | "signal"
> {
  readonly layout: Layout;
  /** Undefined in a dry run. */
  readonly session: Session | undefined;
  readonly steps: Steps;
  readonly blobs: BlobPlaces;
}

/** Answers that say that nobody has it, rather than that nobody could be asked. */
const GONE = new Set(["BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_UNKNOWN"]);

export interface ConfigsRepaired {
  /** Images whose configs are there again. */
  readonly filed: readonly ImageId[];
  /** Images whose configs are nowhere to be had. */
  readonly lost: ReadonlySet<ImageId>;
}

/** Fetches the configs that the findings are about. */
export async function repairConfigs(
  repair: ConfigRepair,
  findings: readonly Finding[],
): Promise<ConfigsRepaired> {
  const lost = new Set<ImageId>();
  const filed: ImageId[] = [];
  const images = new Set(findings.flatMap(({ imageId }) => imageId ?? []));
  for (const imageId of images) {
    const concerned = findings.filter((one) => one.imageId === imageId);
    await repair.steps.part("file a config", concerned, async () => {
      await repairConfig(repair, imageId);
    });
    const left = repair.steps.unrepaired.find(({ finding }) =>
      concerned.includes(finding),
    );
    if (left === undefined) filed.push(imageId);
    else if (isLost(left.failure, concerned)) lost.add(imageId);
  }
  return { filed, lost };
}

/** Whether there is nothing left that the image could come back from. */
function isLost(
  failure: string | undefined,
  findings: readonly Finding[],
): boolean {
  if (GONE.has(failure ?? "")) return true;
  // A damaged file may still tell a person something; a missing one does not.
  const isMissing = findings.every(({ code }) => code === "CONFIG_MISSING");
  return failure === "ORIGIN_UNKNOWN" && isMissing;
}

async function repairConfig(
  { layout, session, steps, blobs, supplier, signal }: ConfigRepair,
  imageId: ImageId,
): Promise<void> {
  const repositories = blobs.repositoriesOf(imageId);
  if (repositories.length === 0) {
    throw new TpullError(
      "ORIGIN_UNKNOWN",
      "nothing in the root tells where the image came from",
    );
  }
  const first = `${repositories[0]}@${imageId}`;
  if (supplier === undefined) {
    throw new TpullError(
      "FETCH_NEEDED",
      `the config would have to be fetched from ${first}`,
      { details: { sources: [first] } },
    );
  }
  const path = layout.imageConfig(imageId);
  const step = { action: "fetched", path, id: imageId } as const;
  if (session === undefined) {
    await steps.take({ ...step, note: `from ${first}` }, () => undefined);
    return;
  }
  const { bytes, from } = await supplier.config(imageId, repositories, {
    signal,
  });
  const actual = digestOf(bytes) as string;
  if (actual !== imageId) throw wrongConfig(imageId, actual);
  await session.section(async () => {
    const told = { ...step, note: `from ${from}`, bytes: bytes.length };
    await steps.take(told, async () => {
      await writeImageConfig(layout, imageId, bytes);
    });
  }, signal);
}

function wrongConfig(expected: ImageId, actual: string): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `a config came that has the digest ${actual} and not ${expected}`,
    { details: { expected, actual } },
  );
}

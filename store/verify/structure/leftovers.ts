/** What lies about in a root: dockerd's downloads, and tpull's own state. */
import { join } from "node:path";
import { eraOf, readComplete } from "../../complete.js";
import { type ChainId, type ImageId, isDigest } from "../../digest.js";
import { readCacheId } from "../../layers.js";
import type { Layout, StagingPaths } from "../../layout.js";
import { isObject } from "../../survey/image-config.js";
import type { Report } from "../report.js";
import type { Live } from "./live.js";
import { bytesOf, FORM, namesIn, shown, typeOf } from "./small-file.js";

/** A layer in the making. */
export interface StagedLayer {
  readonly chainId: ChainId;
  readonly paths: StagingPaths;
  /** The directory it has in `overlay2` already, if it has. */
  readonly cacheId: string | undefined;
  /** Nobody works on it, and it is not whole. */
  readonly isLeft: boolean;
}

/** What tpull stages, in either place. */
export async function readStaged(
  layout: Layout,
  live: Live,
): Promise<StagedLayer[]> {
  const staged: StagedLayer[] = [];
  for (const base of [layout.staging, layout.overlayStaging]) {
    const names = namesIn(base) ?? [];
    const era = names.length === 0 ? undefined : await eraOf(base);
    for (const name of names) {
      const id = `sha256:${name}`;
      if (!isDigest(id)) continue;
      const chainId = id as string as ChainId;
      const paths = layout.staged(base, chainId);
      staged.push({
        chainId,
        paths,
        cacheId: readCacheId(paths.writeSet),
        isLeft:
          !live.isLocked(paths.directory) &&
          readComplete(paths, chainId, era) === undefined,
      });
    }
  }
  return staged;
}

/** In `image/overlay2`; older daemons left notes of how they had converted a root. */
const DRIVER_PARTS =
  /^(?:imagedb|layerdb|distribution|repositories\.json|\.migration-.*)$/;

export function checkLeftovers(
  layout: Layout,
  staged: readonly StagedLayer[],
  report: Report,
): void {
  for (const directory of layout.dockerTemporary) {
    for (const name of namesIn(directory) ?? []) {
      const message = "no dockerd is at work on it";
      report.add("DOWNLOAD_LEFTOVER", join(directory, name), message);
    }
  }
  for (const name of namesIn(layout.driver) ?? []) {
    if (!DRIVER_PARTS.test(name)) report.stray(join(layout.driver, name));
  }
  for (const { chainId, paths, isLeft } of staged) {
    if (!isLeft) continue;
    const message = "no tpull is at work on it, and it is not whole";
    report.add("STAGING_LEFTOVER", paths.directory, message, { chainId });
  }
  checkOwnState(layout, report);
}

/** tpull's own directory: every part holds files named after digests. */
function checkOwnState(layout: Layout, report: Report): void {
  const { tpull, staging, partial, unused, manifests, made } = layout;
  const { kept, blobsParent } = layout;
  const parts = [staging, partial, unused, manifests, made, kept, blobsParent];
  for (const name of namesIn(tpull) ?? []) {
    if (!parts.includes(join(tpull, name))) report.stray(join(tpull, name));
  }
  for (const part of [staging, layout.overlayStaging, partial]) {
    for (const name of namesIn(part) ?? []) {
      if (!FORM.hex.test(name)) report.stray(join(part, name));
    }
  }
  const hint = (
    directory: string,
    judge: (bytes: Buffer, name: string) => string | undefined,
  ): void => {
    for (const name of namesIn(directory) ?? []) {
      const path = join(directory, name);
      if (!FORM.hex.test(name)) {
        report.stray(path);
        continue;
      }
      const file = bytesOf(path);
      const isGone = typeOf(path) === undefined;
      const problem =
        "problem" in file ? file.problem : judge(file.bytes, name);
      if (problem !== undefined && !isGone) {
        report.add("HINT_DAMAGED", path, problem);
      }
    }
  };
  hint(unused, (bytes) => {
    const text = bytes.toString("latin1");
    return text === "" || isDigest(text)
      ? undefined
      : `it holds ${shown(bytes)}`;
  });
  hint(manifests, (bytes, name) =>
    isManifestOf(bytes, `sha256:${name}` as ImageId)
      ? undefined
      : "it is no manifest of the image it is named after",
  );
}

function isManifestOf(bytes: Buffer, imageId: ImageId): boolean {
  try {
    const manifest: unknown = JSON.parse(bytes.toString());
    const config = isObject(manifest) ? manifest["config"] : undefined;
    return isObject(config) && config["digest"] === imageId;
  } catch {
    return false;
  }
}

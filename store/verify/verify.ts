/** A check of a whole data root, or of some of its images, without a dockerd. */
import type { ChainId, ImageId } from "../digest.js";
import { throwIfAborted } from "../errors.js";
import { attempt } from "../io-error.js";
import type { Store } from "../store.js";
import { findImageId } from "../survey/find-image.js";
import { surveyed } from "../survey/survey.js";
import { type BlobsChecked, checkBlobContent } from "./content/blobs.js";
import {
  checkContent,
  checkQuickly,
  type PassProgress,
  type PassResult,
  readableLayers,
  type ReadableLayer,
} from "./content/pass.js";
import { type Finding, FINDING_CODES } from "./finding.js";
import { type Look, steadyLook } from "./look.js";
import { whatWasNotChecked } from "./not-checked.js";
import { merged, type RawFinding } from "./report.js";
import type { BlobToCheck } from "./structure/blobs.js";
import type { Verification, VerifyOptions } from "./verification.js";

/**
 * Compares everything in a data root with what it should be: configs with their
 * hashes, layers' entries with their chain IDs, directories and links with each
 * other, modes, maps and names with the forms that dockerd gives them; and then
 * each layer's files, put together to its archive again, with its diff ID,
 * each file with what the archive says of it, and each kept blob with its digest.
 *
 * Takes no lock and changes nothing. What others change meanwhile is looked at
 * again before it is reported, and what they have in the making is no finding.
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`, `ABORTED`,
 *   `WORKER_FAILED`; for names `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`
 */
export async function verifyStore(
  store: Store,
  options: VerifyOptions = {},
): Promise<Verification> {
  const { layout, root } = store;
  const began = performance.now();
  throwIfAborted(options.signal);
  const chosen = await chosenImages(store, options.images);
  const reading = <Result>(work: () => Promise<Result>): Promise<Result> =>
    attempt(`read the data root ${root}`, work, "read");
  const look = await reading(() => steadyLook(layout, options.signal));
  if (look === undefined) {
    const durationMs = performance.now() - began;
    const nothing = { images: 0, layers: 0, bytes: 0, files: 0 };
    return { findings: [], notChecked: [], ...nothing, durationMs };
  }
  const { structure } = look;
  const scope = scopeOf(look, chosen);
  const layers = [...structure.layers.keys()].filter(scope.hasLayer);
  const isWanted = (chainId: ChainId): boolean =>
    scope.hasLayer(chainId) && (options.contentOf?.has(chainId) ?? true);
  const readable = await reading(async () => readableLayers(look, isWanted));
  const blobs = blobsToRead(look, chosen, options);
  const content = await reading(() =>
    readContent(look, readable, blobs, options),
  );
  const raw = [
    ...look.findings.filter(scope.concerns),
    ...content.problems.map(({ layer, problem }) => ({
      ...problem,
      chainId: layer.chainId,
      cacheId: layer.cacheId,
      images: structure.usersOf(layer.chainId),
    })),
    ...content.blobProblems.map(({ blob, message }) => ({
      code: "BLOB_DAMAGED" as const,
      path: structure.relative(layout.keptBlob(blob.digest)),
      message,
      images: blob.images,
    })),
  ];
  const read = options.quick ? [] : readable;
  const notChecked = whatWasNotChecked(look, read, content, chosen);
  return {
    findings: sorted(merged(raw).map((one) => named(one, look))),
    notChecked,
    images: chosen?.size ?? structure.configs.length,
    layers: layers.length,
    bytes: content.bytes,
    files: content.files,
    durationMs: performance.now() - began,
  };
}

async function chosenImages(
  store: Store,
  names: readonly string[] | undefined,
): Promise<ReadonlySet<ImageId> | undefined> {
  if (names === undefined || names.length === 0) return undefined;
  const { result } = await surveyed(store, (survey) =>
    names.map((name) => findImageId(survey, name).id),
  );
  return new Set(result);
}

interface Scope {
  hasLayer(chainId: ChainId): boolean;
  concerns(finding: RawFinding): boolean;
}

function scopeOf(
  { structure }: Look,
  chosen: ReadonlySet<ImageId> | undefined,
): Scope {
  if (chosen === undefined) {
    return { hasLayer: () => true, concerns: () => true };
  }
  const isChosen = (imageId: ImageId): boolean => chosen.has(imageId);
  return {
    hasLayer: (chainId) => structure.usersOf(chainId).some(isChosen),
    concerns: ({ images = [] }) => images.some(isChosen),
  };
}

/** Kept blobs whose content is to be read: not where only that of some layers is asked for. */
function blobsToRead(
  { blobs }: Look,
  chosen: ReadonlySet<ImageId> | undefined,
  { quick, contentOf }: VerifyOptions,
): readonly BlobToCheck[] {
  if (quick || contentOf !== undefined) return [];
  if (chosen === undefined) return blobs;
  return blobs.filter(({ images }) => images.some((id) => chosen.has(id)));
}

interface Content extends PassResult {
  readonly blobProblems: BlobsChecked["problems"];
}

async function readContent(
  look: Look,
  readable: readonly ReadableLayer[],
  blobs: readonly BlobToCheck[],
  { quick, threads, signal, onProgress }: VerifyOptions,
): Promise<Content> {
  const nothing = { problems: [], bytes: 0, files: 0, forbidden: 0 };
  if (quick) {
    const problems = checkQuickly(readable);
    return { ...nothing, problems, blobProblems: [] };
  }
  const { layout } = look.structure;
  const totalLayers = readable.length;
  const totalBytes =
    readable.reduce((sum, { job }) => sum + (job.size ?? 0), 0) +
    blobs.reduce((sum, { bytes }) => sum + bytes, 0);
  const tell = (progress: PassProgress): void =>
    onProgress?.({ ...progress, totalBytes, totalLayers });
  const pass =
    readable.length === 0
      ? nothing
      : await checkContent(layout, readable, {
          threads,
          signal,
          isLive: look.live.session || look.live.dockerd !== undefined,
          onProgress: tell,
        });
  let { bytes } = pass;
  const checked = await checkBlobContent(layout, blobs, signal, (read) => {
    bytes += read;
    tell({ bytes, layers: totalLayers });
  });
  return {
    ...pass,
    bytes: pass.bytes + checked.bytes,
    files: pass.files + checked.files,
    blobProblems: checked.problems,
  };
}

function named(
  { code, path, message, chainId, cacheId, imageId, images = [] }: RawFinding,
  { structure }: Look,
): Finding {
  return {
    code,
    path,
    message,
    ...(chainId === undefined ? {} : { chainId }),
    ...(cacheId === undefined ? {} : { cacheId }),
    ...(imageId === undefined ? {} : { imageId }),
    images: [...new Set(images.flatMap((id) => structure.namesOf(id)))].sort(),
  };
}

function sorted(findings: readonly Finding[]): Finding[] {
  const rank = new Map(FINDING_CODES.map((code, at) => [code, at]));
  return findings.toSorted((a, b) => {
    const byCode = (rank.get(a.code) ?? 0) - (rank.get(b.code) ?? 0);
    if (byCode !== 0) return byCode;
    return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
  });
}

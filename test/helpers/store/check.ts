/**
 * Our own look at a data root, for where starting a dockerd each time would
 * take too long: whatever is visible must be whole. Independent of the code
 * under test.
 */
import { stat, readlink } from "node:fs/promises";
import { join } from "node:path";
import {
  imageStore,
  layerStore,
  namesIn,
  storedImages,
  storedLayers,
  storedReferences,
  textOf,
  type StoredLayer,
} from "./data-root.js";
import { sha256 } from "../image-builder.js";
import { readTarSplit, reassembledDigest } from "./tar-split.js";

export interface CheckOptions {
  /** Whether what an interrupted pull leaves behind out of sight is fine. */
  readonly leftoversAllowed?: boolean;
  /** Whether layers may have been mounted, which a daemon does now and then. */
  readonly mounted?: boolean;
}

/** Findings, one line each; none when the root is sound. */
export async function checkStore(
  root: string,
  options: CheckOptions = {},
): Promise<string[]> {
  const layers = await storedLayers(root);
  const findings: string[] = [];
  for (const layer of layers.values())
    findings.push(...(await checkLayer(root, layer, layers, options)));
  findings.push(...(await checkImages(root, layers)));
  findings.push(
    ...(await checkDistribution(root, options.leftoversAllowed ?? false)),
  );
  if (!options.leftoversAllowed)
    findings.push(...(await findLeftovers(root, layers)));
  return findings;
}

async function checkLayer(
  root: string,
  layer: StoredLayer,
  layers: ReadonlyMap<string, StoredLayer>,
  options: CheckOptions,
): Promise<string[]> {
  const findings: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) findings.push(`layer ${layer.chain.slice(0, 12)}: ${what}`);
  };
  const below =
    layer.parent === undefined ? undefined : layers.get(layer.parent);
  const chain =
    layer.parent === undefined
      ? layer.diffId
      : sha256(`sha256:${layer.parent} ${layer.diffId}`);
  expect(chain === `sha256:${layer.chain}`, `its chain ID is ${chain}`);
  expect(/^[0-9a-f]{64}$/.test(layer.cacheId), `cache-id ${layer.cacheId}`);
  expect(layer.parent === undefined || below !== undefined, "no parent");
  const size = await textOf(join(layer.record, "size"));
  expect(/^\d+$/.test(size ?? ""), `size ${JSON.stringify(size)}`);

  expect(/^[A-Z2-7]{26}$/.test(layer.link), `link ${layer.link}`);
  const link = join(layerStore(root), "l", layer.link);
  const target = await readlink(link).catch(() => "missing");
  expect(target === `../${layer.cacheId}/diff`, `l/${layer.link} -> ${target}`);
  const lower = await textOf(join(layer.folder, "lower"));
  const wanted = below === undefined ? undefined : await lowerAbove(below);
  expect(lower === wanted, `lower ${lower}, expected ${wanted}`);
  if (below !== undefined) {
    const committed = await textOf(join(below.folder, "committed"));
    expect(committed === "", "the layer below is not marked committed");
    const inWork = await namesIn(join(layer.folder, "work"));
    expect(
      options.mounted || inWork.length === 0,
      `work holds ${inWork.join()}`,
    );
    expect(await isDirectory(join(layer.folder, "work")), "no work directory");
  }
  try {
    const lines = await readTarSplit(join(layer.record, "tar-split.json.gz"));
    const digest = await reassembledDigest(lines, join(layer.folder, "diff"));
    expect(digest === layer.diffId, `its files make up ${digest}`);
  } catch (error) {
    expect(false, String(error));
  }
  return findings;
}

/** What `lower` says in a layer directly above the given one. */
async function lowerAbove(layer: StoredLayer): Promise<string> {
  const own = await textOf(join(layer.folder, "lower"));
  return [`l/${layer.link}`, ...(own === undefined ? [] : [own])].join(":");
}

async function checkImages(
  root: string,
  layers: ReadonlyMap<string, StoredLayer>,
): Promise<string[]> {
  const findings: string[] = [];
  const images = await storedImages(root);
  for (const [id, config] of images) {
    if (sha256(config) !== `sha256:${id}`) {
      findings.push(`image ${id}: its config hashes to ${sha256(config)}`);
      continue;
    }
    const { rootfs } = JSON.parse(config.toString()) as {
      rootfs: { diff_ids: string[] };
    };
    let chain: string | undefined;
    for (const diffId of rootfs.diff_ids) {
      chain = chain === undefined ? diffId : sha256(`${chain} ${diffId}`);
      if (!layers.has(chain.slice(7)))
        findings.push(`image ${id}: layer ${chain} is missing`);
    }
  }
  for (const [reference, id] of await storedReferences(root))
    if (!images.has(id.slice(7)))
      findings.push(`${reference} points to ${id}, which is missing`);
  return findings;
}

async function checkDistribution(
  root: string,
  leftoversAllowed: boolean,
): Promise<string[]> {
  const findings: string[] = [];
  const folder = join(imageStore(root), "distribution");
  const diffIds = join(folder, "diffid-by-digest", "sha256");
  for (const digest of await namesIn(diffIds)) {
    // What a killed writer leaves beside its target.
    if (leftoversAllowed && digest.startsWith(".tmp-")) continue;
    const diffId = (await textOf(join(diffIds, digest))) ?? "";
    const hex = diffId.replace("sha256:", "");
    const metadata = await textOf(
      join(folder, "v2metadata-by-diffid", "sha256", hex),
    );
    if (!metadata?.includes(`"Digest":"sha256:${digest}"`))
      findings.push(`blob ${digest} -> ${diffId}, which does not know it`);
  }
  return findings;
}

async function findLeftovers(
  root: string,
  layers: ReadonlyMap<string, StoredLayer>,
): Promise<string[]> {
  const known = [...layers.values()];
  const expected: [string, Set<string>][] = [
    [layerStore(root), new Set(["l", ...known.map((l) => l.cacheId)])],
    [join(layerStore(root), "l"), new Set(known.map((l) => l.link))],
    [join(imageStore(root), "layerdb", "tmp"), new Set()],
    [join(root, "tmp"), new Set()],
    [
      imageStore(root),
      new Set(["distribution", "imagedb", "layerdb", "repositories.json"]),
    ],
  ];
  const findings: string[] = [];
  for (const [folder, names] of expected)
    for (const name of await namesIn(folder))
      if (!names.has(name)) findings.push(`left over: ${join(folder, name)}`);
  return findings;
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

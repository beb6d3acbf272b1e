/**
 * What a dockerd has to say about an image it did not pull itself. Every
 * function returns findings, one line each; none when dockerd treats the image
 * as its own.
 */
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { normalize, join } from "node:path/posix";
import { extract } from "tar-stream";
import {
  imageStore,
  layerStore,
  namesIn,
  storedLayers,
  textOf,
} from "./data-root.js";
import type { Dockerd } from "../dockerd.js";
import { chainIdsOf, type Image } from "../image-builder.js";

interface Inspected {
  readonly Id: string;
  readonly RepoTags: string[];
  readonly RepoDigests: string[];
  readonly Size: number;
  readonly RootFS: { readonly Layers?: string[] };
  readonly GraphDriver: {
    readonly Name: string;
    readonly Data: Readonly<Record<string, string>>;
  };
}

/** Lists, inspects and shows the history of an image. */
export async function describeFindings(
  dockerd: Dockerd,
  image: Image,
  reference: string,
): Promise<string[]> {
  const findings: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) findings.push(`${reference}: ${what}`);
  };
  const byDigest = reference.includes("@");
  const listFormat = byDigest
    ? "{{.Repository}}@{{.Digest}}"
    : "{{.Repository}}:{{.Tag}}";
  const list = await dockerd.docker([
    "images",
    "--digests",
    "--no-trunc",
    `--format=${listFormat}`,
  ]);
  expect(list.split("\n").includes(reference), "not listed");

  const text = await dockerd.docker(["image", "inspect", reference]);
  const [found] = JSON.parse(text) as [Inspected];
  const names = byDigest ? found.RepoDigests : found.RepoTags;
  expect(names.includes(reference), `is known as ${names.join()}`);
  expect(found.Id === image.config.digest, `image ID ${found.Id}`);
  expect(
    String(found.RootFS.Layers) === String(image.layers.map((l) => l.diffId)),
    `RootFS.Layers ${found.RootFS.Layers?.join()}`,
  );
  const stored = await storedLayers(dockerd.dataRoot);
  let size = 0;
  for (const chain of chainIdsOf(image)) {
    const record = stored.get(chain.slice(7))?.record ?? "";
    size += Number(await textOf(join(record, "size")));
  }
  expect(
    found.Size === size,
    `Size ${found.Size}, the layers add up to ${size}`,
  );
  const top = stored.get(chainIdsOf(image).at(-1)?.slice(7) ?? "");
  const { Name, Data } = found.GraphDriver;
  expect(Name === "overlay2", `GraphDriver ${Name}`);
  const upper = join(layerStore(dockerd.dataRoot), top?.cacheId ?? "", "diff");
  expect(Data["UpperDir"] === upper, `UpperDir ${Data["UpperDir"]}`);
  const lower = Data["LowerDir"]?.split(":").length ?? 0;
  expect(lower === image.layers.length - 1, `${lower} lower directories`);

  const history = await dockerd.docker(["history", "-q", reference]);
  const steps = history.split("\n").filter(Boolean).length;
  expect(steps === image.layers.length, `history of ${steps} steps`);
  return findings;
}

/** Runs a command in a container of the image. */
export async function runFindings(
  dockerd: Dockerd,
  reference: string,
  command: readonly string[],
): Promise<string[]> {
  const result = await dockerd.tryDocker([
    "run",
    "--rm",
    "--network=none",
    `--entrypoint=${command[0]}`,
    reference,
    ...command.slice(1),
  ]);
  return result.code === 0
    ? []
    : [`${reference}: run exits with ${result.code}: ${result.stderr}`];
}

/** Saves the image and hashes what comes out. */
export async function saveFindings(
  dockerd: Dockerd,
  image: Image,
  reference: string,
): Promise<string[]> {
  const saved = await save(dockerd, reference);
  if (typeof saved === "string") return [`${reference}: save: ${saved}`];
  const { config, layers } = saved;
  const wanted = image.layers.map((layer) => layer.diffId);
  const findings: string[] = [];
  if (config !== image.config.digest)
    findings.push(`${reference}: saved config hashes to ${config}`);
  if (String(layers) !== String(wanted))
    findings.push(`${reference}: saved layers hash to ${layers.join()}`);
  return findings;
}

/** Digests of the saved config and layers, or why there are none. */
async function save(
  dockerd: Dockerd,
  reference: string,
): Promise<{ config: string; layers: string[] } | string> {
  const [program, args] = dockerd.command(["save", reference]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
  const digests = new Map<string, string>();
  const links = new Map<string, string>();
  let manifest = "[]";
  const archive = child.stdout.pipe(extract());
  for await (const entry of archive) {
    const name = normalize(entry.header.name);
    if (entry.header.type === "symlink")
      links.set(name, join(name, "..", entry.header.linkname ?? ""));
    const hash = createHash("sha256");
    const chunks: Buffer[] = [];
    for await (const chunk of entry) {
      hash.update(chunk as Buffer);
      if (name === "manifest.json") chunks.push(chunk as Buffer);
    }
    digests.set(name, `sha256:${hash.digest("hex")}`);
    if (chunks.length > 0) manifest = Buffer.concat(chunks).toString();
  }
  const [saved] = JSON.parse(manifest) as [
    { Config: string; Layers: string[] } | undefined,
  ];
  if (saved === undefined) return complaint;
  const digest = (name: string) =>
    digests.get(links.get(name) ?? name) ?? `nothing for ${name}`;
  return {
    config: digest(saved.Config),
    layers: saved.Layers.map(digest),
  };
}

/** Pulls what is there already: nothing may be fetched. */
export async function upToDateFindings(
  dockerd: Dockerd,
  reference: string,
): Promise<string[]> {
  const { stdout, stderr } = await dockerd.tryDocker(["pull", reference]);
  return stdout.includes("Status: Image is up to date for")
    ? []
    : [`${reference}: pull says ${stdout}${stderr}`];
}

/** Removes all images; a store without images has to be empty. */
export async function removalFindings(dockerd: Dockerd): Promise<string[]> {
  const ids = await dockerd.docker(["images", "--all", "-q", "--no-trunc"]);
  const unique = [...new Set(ids.split("\n").filter(Boolean))];
  await dockerd.docker(["rmi", "--force", ...unique]);
  const images = imageStore(dockerd.dataRoot);
  const left = [
    ...(await namesIn(join(images, "imagedb/content/sha256"))),
    ...(await namesIn(join(images, "layerdb/sha256"))),
    ...(await namesIn(join(images, "layerdb/tmp"))),
    ...(await namesIn(join(layerStore(dockerd.dataRoot), "l"))),
    ...(await namesIn(layerStore(dockerd.dataRoot))).filter((n) => n !== "l"),
  ].map((name) => `left after removing all images: ${name}`);
  const references = await textOf(join(images, "repositories.json"));
  if (references !== '{"Repositories":{}}')
    left.push(`references left: ${references}`);
  return left;
}

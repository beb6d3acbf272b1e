/**
 * A data root as large as those of busy machines, in docker's format but with
 * tiny layers: written by hand in seconds, without pulling.
 */
import {
  chmodSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { createCrc64, type Crc64 } from "#store/ingest/crc64.js";
import { MACHINE, sha256 } from "../helpers/image-builder.js";
import { archive, file } from "../helpers/tar-writer.js";

export interface RootShape {
  /** Images that others are built on, and the layers of each. */
  readonly bases: number;
  readonly baseLayers: number;
  /** Images on top of them, dealt out evenly, and the layers that each adds. */
  readonly images: number;
  readonly ownLayers: number;
}

/** 500 images over 3,000 layers. */
export const BUSY: RootShape = {
  bases: 100,
  baseLayers: 10,
  images: 400,
  ownLayers: 5,
};

export interface BusyRoot {
  readonly images: number;
  readonly layers: number;
  /** The name of an image with as many layers as there are in any. */
  readonly example: string;
}

interface Layer {
  readonly diffId: string;
  readonly chainId: string;
  readonly blob: string;
  readonly size: number;
  readonly link: string;
  readonly lower: string;
}

/** Seconds since 1970. */
const MODIFIED = 1_700_000_000;

const HEX = (digest: string): string => digest.slice("sha256:".length);

/** Fills an empty directory. */
export async function writeBusyRoot(
  root: string,
  shape: RootShape,
): Promise<BusyRoot> {
  const store = new RootWriter(root, await createCrc64());
  const bases: Layer[][] = [];
  for (let base = 0; base < shape.bases; base += 1) {
    const layers = store.layersOn([], shape.baseLayers);
    store.image(`base/image-${base}`, layers);
    bases.push(layers);
  }
  for (let image = 0; image < shape.images; image += 1) {
    const below = bases[image % bases.length]!;
    store.image(
      `team-${image % 20}/service-${image}`,
      store.layersOn(below, shape.ownLayers),
    );
  }
  return { ...store.finish(), example: "team-0/service-0:1.0" };
}

class RootWriter {
  readonly #root: string;
  readonly #driver: string;
  readonly #crc: Crc64;
  readonly #repositories = new Map<string, Record<string, string>>();
  #layers = 0;

  constructor(root: string, crc: Crc64) {
    this.#root = root;
    this.#crc = crc;
    this.#driver = join(root, "image/overlay2");
    for (const path of [
      "overlay2/l",
      "volumes",
      "tpull/staging",
      "tpull/partial",
      "tpull/unused",
      "tpull/manifests",
      "image/overlay2/imagedb/content/sha256",
      "image/overlay2/imagedb/metadata/sha256",
      "image/overlay2/layerdb/sha256",
      "image/overlay2/layerdb/tmp",
      "image/overlay2/distribution/diffid-by-digest/sha256",
      "image/overlay2/distribution/v2metadata-by-diffid/sha256",
    ]) {
      mkdirSync(join(root, path), { recursive: true, mode: 0o700 });
    }
    for (const path of [".", "overlay2"]) chmodSync(join(root, path), 0o710);
    writeFileSync(join(root, "volumes/metadata.db"), "", { mode: 0o600 });
  }

  /** Some layers more on top of others; all of them, base first. */
  layersOn(below: readonly Layer[], count: number): Layer[] {
    const layers = [...below];
    for (let at = 0; at < count; at += 1) {
      layers.push(this.#layer(layers.at(-1)));
    }
    return layers;
  }

  #layer(parent: Layer | undefined): Layer {
    const number = (this.#layers += 1);
    const content = Buffer.from(`layer ${number}\n`);
    const tar = archive([file("file", content, { mtime: MODIFIED })]);
    const diffId = sha256(tar);
    const chainId =
      parent === undefined ? diffId : sha256(`${parent.chainId} ${diffId}`);
    const cacheId = HEX(sha256(`cache ${number}`));
    const link = base32(`link ${number}`);
    const lower = [
      ...(parent === undefined ? [] : [`l/${parent.link}`]),
      ...(parent === undefined || parent.lower === "" ? [] : [parent.lower]),
    ].join(":");
    const overlay = join(this.#root, "overlay2", cacheId);
    mkdirSync(overlay, { mode: 0o710 });
    mkdirSync(join(overlay, "diff"), { mode: 0o755 });
    writeFileSync(join(overlay, "diff/file"), content);
    utimesSync(join(overlay, "diff/file"), MODIFIED, MODIFIED);
    writeFileSync(join(overlay, "link"), link);
    if (parent !== undefined) {
      mkdirSync(join(overlay, "work"), { mode: 0o700 });
      writeFileSync(join(overlay, "lower"), lower);
    }
    writeFileSync(join(overlay, "committed"), "", { mode: 0o600 });
    symlinkSync(`../${cacheId}/diff`, join(this.#root, "overlay2/l", link));
    const entry = join(this.#driver, "layerdb/sha256", HEX(chainId));
    mkdirSync(entry, { mode: 0o700 });
    writeFileSync(join(entry, "diff"), diffId);
    writeFileSync(join(entry, "size"), String(content.length));
    writeFileSync(join(entry, "cache-id"), cacheId);
    if (parent !== undefined) {
      writeFileSync(join(entry, "parent"), parent.chainId);
    }
    writeFileSync(
      join(entry, "tar-split.json.gz"),
      this.#tarSplit(tar, content),
    );
    const blob = sha256(`blob ${number}`);
    const origin = `[{"Digest":"${blob}","SourceRepository":"docker.io/base/image","HMAC":""}]`;
    const maps = join(this.#driver, "distribution");
    writeFileSync(
      join(maps, "v2metadata-by-diffid/sha256", HEX(diffId)),
      origin,
    );
    writeFileSync(join(maps, "diffid-by-digest/sha256", HEX(blob)), diffId);
    return { diffId, chainId, blob, size: content.length, link, lower };
  }

  /** The archive record of a tar that holds one small file. */
  #tarSplit(tar: Buffer, content: Buffer): Buffer {
    this.#crc.reset();
    this.#crc.update(content);
    const lines = [
      {
        type: 2,
        payload: tar.subarray(0, 512).toString("base64"),
        position: 0,
      },
      {
        type: 1,
        name: "file",
        size: content.length,
        payload: this.#crc.base64(),
        position: 1,
      },
      {
        type: 2,
        payload: tar.subarray(512 + content.length).toString("base64"),
        position: 2,
      },
    ];
    return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  image(repository: string, layers: readonly Layer[]): void {
    const created = "2026-01-02T03:04:05.678901234Z";
    const config = JSON.stringify({
      ...MACHINE,
      created,
      config: {
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"],
        Labels: { "org.opencontainers.image.title": repository },
      },
      rootfs: { type: "layers", diff_ids: layers.map((one) => one.diffId) },
      history: layers.map((_, at) => ({
        created,
        created_by: `RUN /bin/sh -c install part ${at} of ${repository} # buildkit`,
        comment: "buildkit.dockerfile.v0",
      })),
    });
    const id = sha256(config);
    const content = join(this.#driver, "imagedb/content/sha256", HEX(id));
    writeFileSync(content, config, { mode: 0o600 });
    const manifest = JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: "config", digest: id, size: config.length },
      layers: layers.map(({ blob, size }) => ({
        mediaType: "layer",
        digest: blob,
        size,
      })),
    });
    writeFileSync(join(this.#root, "tpull/manifests", HEX(id)), manifest, {
      mode: 0o600,
    });
    this.#repositories.set(repository, {
      [`${repository}:1.0`]: id,
      [`${repository}@${sha256(manifest)}`]: id,
    });
  }

  finish(): { images: number; layers: number } {
    const sorted = [...this.#repositories].sort(([a], [b]) => (a < b ? -1 : 1));
    writeFileSync(
      join(this.#driver, "repositories.json"),
      JSON.stringify({ Repositories: Object.fromEntries(sorted) }),
      { mode: 0o600 },
    );
    return { images: sorted.length, layers: this.#layers };
  }
}

/** 26 characters as docker's short links have them. */
function base32(seed: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bytes = createHash("sha256").update(seed).digest();
  return [...bytes.subarray(0, 26)].map((byte) => letters[byte % 32]).join("");
}

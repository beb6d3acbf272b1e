/** Puts images into a registry through the distribution API. */
import { createReadStream } from "node:fs";
import { request } from "undici";
import type { Blob, Image } from "./image-builder.js";

type Body = Buffer | ReturnType<typeof createReadStream> | null;

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
}

/** What a pushed image can be pulled by. */
export interface Pushed {
  /** `HOST/REPOSITORY:TAG` */
  readonly reference: string;
  /** `HOST/REPOSITORY@sha256:…` of what the tag points to. */
  readonly byDigest: string;
  /** Digest the tag points to. */
  readonly digest: string;
}

/**
 * Pushes an image and tags it.
 * @param host `HOST:PORT` of a registry that speaks plain HTTP
 */
export async function pushImage(
  host: string,
  repository: string,
  tag: string,
  image: Image,
): Promise<Pushed> {
  await pushParts(host, repository, image);
  return await pushManifest(host, repository, tag, image.manifest);
}

/** Pushes images without a tag each, and a tagged index of them. */
export async function pushIndex(
  host: string,
  repository: string,
  tag: string,
  index: Blob,
  images: readonly Image[],
): Promise<Pushed> {
  for (const image of images) {
    await pushParts(host, repository, image);
    await pushManifest(host, repository, image.manifest.digest, image.manifest);
  }
  return await pushManifest(host, repository, tag, index);
}

async function pushParts(
  host: string,
  repository: string,
  image: Image,
): Promise<void> {
  for (const blob of [image.config, ...image.layers])
    await pushBlob(host, repository, blob);
}

/** Uploads a blob unless the repository has it. */
export async function pushBlob(
  host: string,
  repository: string,
  blob: Blob,
): Promise<void> {
  const base = `http://${host}/v2/${repository}/blobs`;
  const known = await send("HEAD", `${base}/${blob.digest}`, null, [200, 404]);
  if (known.status === 200) return;
  const { location } = await send("POST", `${base}/uploads/`, null, [202]);
  const upload = new URL(location ?? "", base);
  upload.searchParams.set("digest", blob.digest);
  const body =
    typeof blob.data === "string" ? createReadStream(blob.data) : blob.data;
  await send("PUT", upload.href, body, [201], {
    "content-type": "application/octet-stream",
    "content-length": String(blob.size),
  });
}

async function pushManifest(
  host: string,
  repository: string,
  reference: string,
  manifest: Blob,
): Promise<Pushed> {
  const url = `http://${host}/v2/${repository}/manifests/${reference}`;
  await send("PUT", url, manifest.data as Buffer, [201], {
    "content-type": manifest.mediaType,
  });
  return {
    reference: `${host}/${repository}:${reference}`,
    byDigest: `${host}/${repository}@${manifest.digest}`,
    digest: manifest.digest,
  };
}

async function send(
  method: "HEAD" | "POST" | "PUT",
  url: string,
  body: Body,
  expected: readonly number[],
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await request(url, { method, body, headers });
  const text = await response.body.text();
  if (!expected.includes(response.statusCode))
    throw new Error(`${method} ${url}: ${response.statusCode} ${text}`);
  const location = response.headers["location"];
  return {
    status: response.statusCode,
    location: Array.isArray(location) ? location[0] : location,
  };
}

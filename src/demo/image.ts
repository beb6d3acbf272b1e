/**
 * The small image that the embedded registry serves when it is given nothing
 * else: made on the spot, of our own text, with the same bytes every time.
 */
import type { Digest, DiffId, ImageId } from "../../store/index.js";
import type { Content } from "../serve/content.js";
import { memoryContent } from "../serve/memory-content.js";
import type { MemoryContent } from "../serve/memory-content.js";
import { buildLayer, DEMO_TIME } from "./layer.js";
import type { BuiltLayer } from "./layer.js";
import { platformLayer, sharedLayers } from "./layers.js";
import type { DemoLayerSource } from "./layers.js";

const REPOSITORY = "demo/hello";
const TAG = "latest";
const DESCRIPTION =
  "A few small layers of text with links, a whiteout and an opaque directory, to see what a pull stores. There is no program in it to run.";

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";

/** Everything that Node runs on with Linux containers in common use. */
const PLATFORMS: readonly Platform[] = [
  { architecture: "amd64", os: "linux" },
  { architecture: "arm64", os: "linux" },
  { architecture: "arm", os: "linux", variant: "v7" },
  { architecture: "ppc64le", os: "linux" },
  { architecture: "riscv64", os: "linux" },
  { architecture: "s390x", os: "linux" },
];

interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

/** One layer of the demo image. */
export interface DemoLayer {
  readonly title: string;
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Bytes of the compressed blob. */
  readonly size: number;
}

/** The demo image as one platform has it. */
export interface DemoPlatformImage {
  /** `os/arch[/variant]` */
  readonly platform: string;
  readonly manifestDigest: Digest;
  readonly imageId: ImageId;
  /** Base first; all but the last are the same for every platform. */
  readonly layers: readonly DemoLayer[];
}

export interface DemoImage {
  readonly content: Content;
  readonly repository: string;
  readonly tag: string;
  /** A sentence about the image, for people. */
  readonly description: string;
  /** Digest of the index that the tag names. */
  readonly digest: Digest;
  readonly images: readonly DemoPlatformImage[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Builds the demo image: an index with an image for each platform, five gzip
 * layers each, the first four shared. Config, diff IDs and image IDs are the
 * same everywhere; layer digests, and so those of manifests and index, are too
 * as long as the same zlib compresses.
 */
export async function buildDemoImage(): Promise<DemoImage> {
  const content = memoryContent();
  const shared: DemoLayer[] = [];
  for (const source of sharedLayers()) {
    shared.push(await addLayer(content, source));
  }
  const images: DemoPlatformImage[] = [];
  const manifests: (Descriptor & { platform: Platform })[] = [];
  for (const platform of PLATFORMS) {
    const name = platformName(platform);
    const own = await addLayer(content, platformLayer(name));
    const layers = [...shared, own];
    const config = addConfig(content, platform, layers);
    const manifest = addManifest(content, config, layers);
    manifests.push({ ...manifest, platform });
    images.push({
      platform: name,
      manifestDigest: manifest.digest,
      imageId: config.digest as string as ImageId,
      layers,
    });
  }
  const { digest } = addJson(content, INDEX_TYPE, {
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    manifests,
    annotations: annotations(),
  });
  content.addTag(REPOSITORY, TAG, digest);
  return {
    content,
    repository: REPOSITORY,
    tag: TAG,
    description: DESCRIPTION,
    digest,
    images,
  };
}

async function addLayer(
  content: MemoryContent,
  { title, members }: DemoLayerSource,
): Promise<DemoLayer> {
  const { digest, diffId, bytes }: BuiltLayer = await buildLayer(members);
  content.addBlob(REPOSITORY, bytes);
  return { title, digest, diffId, size: bytes.byteLength };
}

function addConfig(
  content: MemoryContent,
  platform: Platform,
  layers: readonly DemoLayer[],
): Descriptor {
  const step = (title: string): { created: string; created_by: string } => ({
    created: DEMO_TIME,
    created_by: title,
  });
  const [base = [], others = []] = [layers.slice(0, 1), layers.slice(1)].map(
    (some) => some.map(({ title }) => step(title)),
  );
  const config = {
    created: DEMO_TIME,
    ...platform,
    config: {
      Env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HELLO_LANGUAGE=en",
      ],
      Cmd: ["/usr/bin/hello"],
      WorkingDir: "/home/hello",
      Labels: annotations(),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: [
      ...base,
      { ...step("ENV HELLO_LANGUAGE=en"), empty_layer: true },
      ...others,
      { ...step('CMD ["/usr/bin/hello"]'), empty_layer: true },
    ],
  };
  const bytes = Buffer.from(JSON.stringify(config));
  const digest = content.addBlob(REPOSITORY, bytes);
  return { mediaType: CONFIG_TYPE, digest, size: bytes.byteLength };
}

function addManifest(
  content: MemoryContent,
  config: Descriptor,
  layers: readonly DemoLayer[],
): Descriptor {
  return addJson(content, MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config,
    layers: layers.map(({ digest, size }): Descriptor => ({
      mediaType: LAYER_TYPE,
      digest,
      size,
    })),
    annotations: annotations(),
  });
}

/** Adds a manifest or index; the order of its keys is part of its digest. */
function addJson(
  content: MemoryContent,
  mediaType: string,
  value: unknown,
): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = content.addManifest(REPOSITORY, bytes, mediaType);
  return { mediaType, digest, size: bytes.byteLength };
}

function annotations(): Record<string, string> {
  return {
    "org.opencontainers.image.created": DEMO_TIME,
    "org.opencontainers.image.description": DESCRIPTION,
    "org.opencontainers.image.title": "tpull demo image",
  };
}

function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join("/");
}

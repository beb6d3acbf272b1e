// The pull and content-discovery cases that the OCI distribution-spec's
// conformance suite puts to a registry, one by one, as requests over the wire:
// those of its releases up to 1.1.1 (01_pull_test.go, 03_discovery_test.go), and
// those of the one after it (run.go: TestPing, TestEmpty, TestList, TestHead,
// TestPull, TestReferrers, TestManifestErrors, for each kind of data). What the
// suite would push first lies here in a layout. Its one kind that is left out is
// content under sha512, which docker's store has no place for.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutContent } from "#src/serve/layout/source.js";
import { digestOf } from "#store/digest.js";
import {
  imageOf,
  layerOf,
  sha256,
  type Blob,
} from "../helpers/image-builder.js";
import { named, refNameOf, writeLayout } from "../helpers/layout-writer.js";
import { archive, file } from "../helpers/tar-writer.js";
import { serve, type Reply, type TestRegistry } from "./registry.js";

const NAME = "conformance/pull";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const TYPE_A = "application/vnd.example.a";
const TYPE_B = "application/vnd.example.b";
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
/** The codes of the specification, "Error Codes". */
const CODES = [
  "BLOB_UNKNOWN",
  "BLOB_UPLOAD_INVALID",
  "BLOB_UPLOAD_UNKNOWN",
  "DIGEST_INVALID",
  "MANIFEST_BLOB_UNKNOWN",
  "MANIFEST_INVALID",
  "MANIFEST_UNKNOWN",
  "NAME_INVALID",
  "NAME_UNKNOWN",
  "SIZE_INVALID",
  "UNAUTHORIZED",
  "DENIED",
  "UNSUPPORTED",
  "TOOMANYREQUESTS",
];

function blob(mediaType: string, text: string): Blob {
  const data = Buffer.from(text);
  return { mediaType, digest: sha256(data), size: data.length, data };
}

const image = imageOf([layerOf(archive([file("a", "a")]), { family: "oci" })], {
  family: "oci",
});
const absentSubject = { mediaType: MANIFEST, digest: sha256("none"), size: 9 };
const dummy = digestOf("a digest of nothing that is there");
const empty = blob(EMPTY_TYPE, "{}");

function artifact(
  note: string,
  type: string,
  form: "config" | "artifactType" | "index",
  subject: { mediaType: string; digest: string; size: number },
): Blob {
  const { mediaType, digest, size } = subject;
  const common = {
    schemaVersion: 2,
    subject: { mediaType, digest, size },
    annotations: { "org.example.note": note },
  };
  const entry = { mediaType: empty.mediaType, digest: empty.digest, size: 2 };
  if (form === "index") {
    return blob(
      INDEX,
      JSON.stringify({
        ...common,
        mediaType: INDEX,
        artifactType: type,
        manifests: [],
      }),
    );
  }
  return blob(
    MANIFEST,
    JSON.stringify({
      ...common,
      mediaType: MANIFEST,
      ...(form === "artifactType" ? { artifactType: type } : {}),
      config: { ...entry, ...(form === "config" ? { mediaType: type } : {}) },
      layers: [entry],
    }),
  );
}

/** A manifest as the suite's generator makes them: fields as given, in OCI's types. */
function manifest(fields: object, mediaType = MANIFEST): Blob {
  return blob(
    mediaType,
    JSON.stringify({ schemaVersion: 2, mediaType, ...fields }),
  );
}

function entryOf(part: Blob, more: object = {}): object {
  const { mediaType, digest, size } = part;
  return { mediaType, digest, size, ...more };
}

const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const NOT_FOR_ALL =
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
const zeroBytes = blob(LAYER, "");
const { config, layers } = image;
const layer = layers[0]!;
const nested = manifest({ manifests: [entryOf(image.manifest)] }, INDEX);

/** The suite's kinds of data: what is under the tag, and what else it is made of. */
const DATA: readonly {
  readonly kind: string;
  readonly top: Blob;
  readonly blobs: readonly Blob[];
}[] = [
  { kind: "image", top: image.manifest, blobs: [config, layer] },
  {
    kind: "index",
    top: manifest(
      {
        manifests: [
          entryOf(image.manifest, {
            platform: { os: "linux", architecture: "amd64" },
          }),
        ],
      },
      INDEX,
    ),
    blobs: [image.manifest],
  },
  {
    kind: "nested-index",
    top: manifest({ manifests: [entryOf(nested)] }, INDEX),
    blobs: [nested, image.manifest],
  },
  {
    kind: "sparse-index",
    top: manifest(
      { manifests: [entryOf(blob(MANIFEST, "not pushed"))] },
      INDEX,
    ),
    blobs: [],
  },
  {
    kind: "artifact",
    top: manifest({
      artifactType: TYPE_A,
      config: entryOf(empty),
      layers: [entryOf(layer)],
    }),
    blobs: [empty, layer],
  },
  {
    kind: "artifact-index",
    top: manifest(
      { artifactType: TYPE_A, manifests: [entryOf(image.manifest)] },
      INDEX,
    ),
    blobs: [image.manifest],
  },
  {
    kind: "data-field",
    top: manifest({
      artifactType: TYPE_A,
      config: entryOf(empty, { data: "e30=" }),
      layers: [entryOf(empty, { data: "e30=" })],
    }),
    blobs: [empty],
  },
  {
    kind: "nondistributable",
    top: manifest({
      config: entryOf(config),
      layers: [
        {
          ...entryOf(blob(NOT_FOR_ALL, "not pushed")),
          urls: ["https://store.example.com/blobs/x"],
        },
      ],
    }),
    blobs: [config],
  },
  {
    kind: "custom-fields",
    top: manifest({
      config: entryOf(config, { "org.example.field": { a: [1] } }),
      layers: [entryOf(layer)],
      "org.example.field": "x",
    }),
    blobs: [config, layer],
  },
  {
    kind: "no-layers",
    top: manifest({ config: entryOf(config), layers: [] }),
    blobs: [config],
  },
  {
    kind: "empty-blob",
    top: manifest({ config: entryOf(config), layers: [entryOf(zeroBytes)] }),
    blobs: [config, zeroBytes],
  },
];

const referrers = [
  artifact("a, by its config", TYPE_A, "config", image.manifest),
  artifact("a, by its type", TYPE_A, "artifactType", image.manifest),
  artifact("b, by its config", TYPE_B, "config", image.manifest),
  artifact("b, by its type", TYPE_B, "artifactType", image.manifest),
  artifact("an index", TYPE_B, "index", image.manifest),
];
const orphan = artifact("of nothing", TYPE_A, "artifactType", absentSubject);
/** With no type of its own, and a field that gives an image's. */
const typeless = manifest(
  {
    manifests: [],
    config: { mediaType: TYPE_A },
    subject: entryOf(config),
    annotations: { "org.example.note": "text", "org.example.number": 1 },
  },
  INDEX,
);
const tags = ["test0", "test1", "test2", "test3", "tagtest0"];
const allTags = [...tags, ...DATA.map(({ kind }) => kind)].sort();

let registry: TestRegistry;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-conformance-"));
  await writeLayout(folder, [
    ...tags.map((tag) => named(image, tag)),
    ...DATA.map(({ kind, top, blobs }) => ({
      top,
      blobs,
      annotations: refNameOf(kind),
    })),
    ...[...referrers, orphan, typeless].map((top) => ({ top, blobs: [empty] })),
  ]);
  registry = await serve(await layoutContent(folder, NAME));
});

afterAll(async () => {
  await registry.close();
  await rm(folder, { recursive: true });
});

const send = (method: string, rest: string, headers = {}): Promise<Reply> =>
  registry.send(method, `/v2/${NAME}/${rest}`, headers);
const json = (reply: Reply): unknown => JSON.parse(reply.body.toString());

function expectError(reply: Reply): void {
  const { errors } = json(reply) as { errors: { code: string }[] };
  expect(errors.length).toBeGreaterThan(0);
  expect(CODES).toContain(errors[0]?.code);
}

describe("the API", () => {
  it("answers at its end-1", async () => {
    for (const method of ["GET", "HEAD"]) {
      expect((await registry.send(method, "/v2/")).status).toBe(200);
    }
  });
});

describe("pulling blobs", () => {
  it.each(["HEAD", "GET"])("%s of one that is not there is 404", async (m) => {
    const reply = await send(m, `blobs/${dummy}`);
    expect(reply.status).toBe(404);
    if (m === "GET") expectError(reply);
  });

  it.each([
    ["config", image.config],
    ["layer", image.layers[0]!],
  ])("HEAD and GET of a %s", async (_, { digest, size, data }) => {
    const head = await send("HEAD", `blobs/${digest}`);
    expect(head.status).toBe(200);
    expect(head.headers["docker-content-digest"]).toBe(digest);
    expect(head.headers["content-length"]).toBe(String(size));
    expect(head.body.length).toBe(0);
    const got = await send("GET", `blobs/${digest}`);
    expect(got.status).toBe(200);
    expect(got.headers["docker-content-digest"]).toBe(digest);
    expect(got.body).toEqual(data);
  });

  it("gives a part of a blob", async () => {
    const { digest, data } = image.layers[0]!;
    const part = await send("GET", `blobs/${digest}`, { Range: "bytes=1-9" });
    expect(part.status).toBe(206);
    expect(part.body).toEqual((data as Buffer).subarray(1, 10));
  });

  it("refuses a digest that is none", async () => {
    const reply = await send("GET", "blobs/sha256:totallywrong");
    expect(reply.status).toBe(400);
    expectError(reply);
  });
});

describe("pulling manifests", () => {
  const Accept = MANIFEST;

  it.each(["HEAD", "GET"])("%s of one that is not there is 404", async (m) => {
    for (const reference of [".INVALID_MANIFEST_NAME", "absent", dummy]) {
      const reply = await send(m, `manifests/${reference}`, { Accept });
      expect(reply.status).toBe(404);
      if (m === "GET") expectError(reply);
    }
  });

  it.each([
    ["digest", image.manifest.digest],
    ["tag", "tagtest0"],
  ])("HEAD and GET by %s", async (_, reference) => {
    const { digest, size, data } = image.manifest;
    const head = await send("HEAD", `manifests/${reference}`, { Accept });
    expect(head.status).toBe(200);
    expect(head.headers["docker-content-digest"]).toBe(digest);
    expect(head.headers["content-length"]).toBe(String(size));
    const got = await send("GET", `manifests/${reference}`, { Accept });
    expect(got.status).toBe(200);
    expect(got.headers["content-type"]).toBe(MANIFEST);
    expect(got.headers["docker-content-digest"]).toBe(digest);
    expect(got.body).toEqual(data);
  });

  it("gives its media type when anything is accepted", async () => {
    for (const headers of [
      {},
      { Accept: "*/*" },
      { Accept: "application/*" },
    ]) {
      const reply = await send("GET", "manifests/test0", headers);
      expect(reply.headers["content-type"]).toBe(MANIFEST);
    }
  });
});

describe.each(DATA)("the suite's $kind", ({ kind, top, blobs }) => {
  /** As the suite asks, with two headers of one name. */
  const Accept = `${INDEX}, ${MANIFEST}`;
  const parts = blobs.filter(
    ({ mediaType }) => mediaType !== MANIFEST && mediaType !== INDEX,
  );
  const manifests = [
    [kind, top] as const,
    ...[top, ...blobs]
      .filter(({ mediaType }) => [MANIFEST, INDEX].includes(mediaType))
      .map((one) => [one.digest, one] as const),
  ];

  it("is there for HEAD and GET, by tag and by digest", async () => {
    for (const [reference, { digest, mediaType, size, data }] of manifests) {
      const path = `manifests/${reference}`;
      const head = await send("HEAD", path, { Accept });
      const got = await send("GET", path, { Accept });
      for (const reply of [head, got]) {
        expect(reply.status).toBe(200);
        expect(reply.headers).toMatchObject({
          "content-type": mediaType,
          "content-length": String(size),
          "docker-content-digest": digest,
        });
      }
      expect(head.body).toHaveLength(0);
      expect(got.body).toEqual(data);
    }
  });

  it("has its blobs, for HEAD and GET, whole and in part", async () => {
    for (const { digest, size, data } of parts) {
      const path = `blobs/${digest}`;
      const head = await send("HEAD", path);
      const got = await send("GET", path);
      for (const reply of [head, got]) {
        expect(reply.status).toBe(200);
        expect(reply.headers).toMatchObject({
          "content-length": String(size),
          "docker-content-digest": digest,
        });
      }
      expect(head.body).toHaveLength(0);
      expect(got.body).toEqual(data);
      if (size < 4) continue;
      const bytes = data as Buffer;
      for (const [range, from, to] of [
        [`bytes=0-${Math.floor(size / 2)}`, 0, Math.floor(size / 2) + 1],
        [`bytes=${size - 3}-`, size - 3, size],
        ["bytes=-2", size - 2, size],
      ] as const) {
        const part = await send("GET", path, { Range: range });
        expect(part.status).toBe(206);
        expect(part.headers["content-range"]).toBe(
          `bytes ${from}-${to - 1}/${size}`,
        );
        expect(part.body).toEqual(bytes.subarray(from, to));
      }
    }
  });

  it("is in the list of tags", async () => {
    const { tags: listed } = json(await send("GET", "tags/list")) as {
      tags: string[];
    };
    expect(listed).toContain(kind);
  });
});

describe("what is not there", () => {
  const elsewhere = (method: string, rest: string): Promise<Reply> =>
    registry.send(method, `/v2/conformance/absent/${rest}`);

  it.each([
    ["manifests/latest", "NAME_UNKNOWN"],
    [`manifests/${dummy}`, "NAME_UNKNOWN"],
    [`blobs/${dummy}`, "NAME_UNKNOWN"],
    ["tags/list", "NAME_UNKNOWN"],
  ])("in a repository that is not there: %s", async (rest, code) => {
    const reply = await elsewhere("GET", rest);
    expect(reply.status).toBe(404);
    expectError(reply);
    expect(json(reply)).toMatchObject({ errors: [{ code }] });
    const head = await elsewhere("HEAD", rest);
    expect(head.status).toBe(404);
    expect(head.body).toHaveLength(0);
  });

  it("has no referrers rather than being unknown, as clients would fall back to tags", async () => {
    for (const query of ["", "?artifactType=x/y"]) {
      const reply = await elsewhere("GET", `referrers/${dummy}${query}`);
      expect(reply.status).toBe(200);
      expect(reply.headers["content-type"]).toBe(INDEX);
      expect(json(reply)).toEqual({
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [],
      });
    }
    const bad = await elsewhere("GET", "referrers/sha256:baddigeststring");
    expect(bad.status).toBe(400);
    expectError(bad);
  });

  it.each([
    [`manifests/${dummy}`, "MANIFEST_UNKNOWN"],
    ["manifests/missing-x", "MANIFEST_UNKNOWN"],
    [`blobs/${dummy}`, "BLOB_UNKNOWN"],
    [`manifests/${layer.digest}`, "MANIFEST_UNKNOWN"],
  ])("in one that is: %s", async (rest, code) => {
    const reply = await send("GET", rest);
    expect(reply.status).toBe(404);
    expectError(reply);
    expect(json(reply)).toMatchObject({ errors: [{ code }] });
  });

  it.each(["manifests", "blobs", "referrers"])(
    "a digest that is none, of %s, is the request's fault",
    async (what) => {
      const reply = await send("GET", `${what}/sha256:baddigeststring`);
      expect(reply.status).toBe(400);
      expectError(reply);
      expect(json(reply)).toMatchObject({
        errors: [{ code: "DIGEST_INVALID" }],
      });
    },
  );

  it("a name that can be none is the request's fault", async () => {
    const reply = await registry.send("GET", "/v2/UPPER/x/tags/list");
    expect(reply.status).toBe(400);
    expectError(reply);
  });
});

describe("error codes", () => {
  it("refuses a wrong digest with a body that says so, whatever the method", async () => {
    const reply = await send("PUT", "manifests/sha256:totallywrong", {
      "Content-Type": MANIFEST,
    });
    expect(reply.status).toBe(400);
    expectError(reply);
  });

  it.each([
    ["POST", "blobs/uploads/"],
    ["PUT", "manifests/test0"],
    ["DELETE", `manifests/${image.manifest.digest}`],
    ["DELETE", `blobs/${image.config.digest}`],
    ["DELETE", "manifests/test0"],
  ])("%s %s is not allowed", async (method, rest) => {
    const reply = await send(method, rest);
    expect(reply.status).toBe(405);
    expect(reply.headers["allow"]).toBe("GET, HEAD");
    expectError(reply);
  });
});

describe("listing tags", () => {
  const list = async (query: string): Promise<string[]> => {
    const reply = await send("GET", `tags/list${query}`);
    expect(reply.status).toBe(200);
    const { name, tags } = json(reply) as { name: string; tags: string[] };
    expect(name).toBe(NAME);
    return tags;
  };

  it("gives all of them in order", async () => {
    expect(await list("")).toEqual(allTags);
  });

  it("gives those behind a tag, with or without a number", async () => {
    const half = Math.floor(allTags.length / 2);
    const last = allTags[half - 1]!;
    expect(await list(`?last=${last}`)).toEqual(allTags.slice(half));
    expect(await list(`?last=${last}&n=2`)).toEqual(
      allTags.slice(half, half + 2),
    );
    expect(await list(`?last=${allTags.at(-1)}`)).toEqual([]);
  });

  it("leads to every tag once, by its links alone", async () => {
    const found: string[] = [];
    let target = `/v2/${NAME}/tags/list?n=3`;
    for (let pages = 0; target !== ""; pages += 1) {
      expect(pages).toBeLessThan(allTags.length);
      const reply = await registry.send("GET", target);
      found.push(...(json(reply) as { tags: string[] }).tags);
      const link = String(reply.headers["link"] ?? "");
      target = /^<([^>]+)>; ?rel="next"$/.exec(link)?.[1] ?? "";
    }
    expect(found).toEqual(allTags);
  });

  it("has no link where nothing was asked for", async () => {
    const reply = await send("GET", "tags/list?n=0");
    expect(json(reply)).toEqual({ name: NAME, tags: [] });
    expect(reply.headers["link"]).toBe(undefined);
  });

  it("gives as many as are asked for, from where it is told", async () => {
    const half = Math.floor(allTags.length / 2);
    const first = await list(`?n=${half}`);
    expect(first).toHaveLength(half);
    const last = first.at(-1)!;
    const next = await list(`?n=${half}&last=${last}`);
    expect(next.length).toBeLessThanOrEqual(half);
    expect(next).not.toContain(last);
    expect([...first, ...next]).toEqual(allTags.slice(0, 2 * half));
    expect(await list("?n=0")).toEqual([]);
  });

  it("links to what follows", async () => {
    const reply = await send("GET", "tags/list?n=2");
    expect(reply.headers["link"]).toMatch(/^<[^>]+>; ?rel="next"$/);
    const all = await send("GET", `tags/list?n=${allTags.length}`);
    expect(all.headers["link"]).toBe(undefined);
  });
});

describe("listing referrers", () => {
  interface Index {
    schemaVersion: number;
    mediaType: string;
    manifests: {
      digest: string;
      mediaType: string;
      size: number;
      artifactType?: string;
      annotations?: Record<string, string>;
    }[];
  }
  const list = async (
    digest: string,
    query = "",
  ): Promise<{ index: Index; filters: unknown }> => {
    const reply = await send("GET", `referrers/${digest}${query}`);
    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe(INDEX);
    const index = json(reply) as Index;
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: INDEX });
    return { index, filters: reply.headers["oci-filters-applied"] };
  };

  it("is empty for what nothing refers to", async () => {
    expect((await list(dummy)).index.manifests).toEqual([]);
  });

  it("has each that refers to a manifest, with its annotations", async () => {
    const { index, filters } = await list(image.manifest.digest);
    expect(filters).toBe(undefined);
    const byDigest = new Map(index.manifests.map((one) => [one.digest, one]));
    expect(byDigest.size).toBe(referrers.length);
    for (const { digest, mediaType, size, data } of referrers) {
      const { annotations } = JSON.parse(String(data)) as {
        annotations: object;
      };
      const artifactType = String(data).includes(TYPE_A) ? TYPE_A : TYPE_B;
      expect(byDigest.get(digest)).toEqual({
        digest,
        mediaType,
        size,
        artifactType,
        annotations,
      });
    }
  });

  it("has those of one type when they are asked for", async () => {
    const { index, filters } = await list(
      image.manifest.digest,
      `?artifactType=${encodeURIComponent(TYPE_A)}`,
    );
    expect(filters).toBe("artifactType");
    expect(index.manifests.map(({ digest }) => digest).toSorted()).toEqual(
      [referrers[0]!.digest, referrers[1]!.digest].toSorted(),
    );
    const none = await list(image.manifest.digest, "?artifactType=no/such");
    expect(none.index.manifests).toEqual([]);
    expect(none.filters).toBe("artifactType");
  });

  it("has those of a manifest that is not there", async () => {
    const { index } = await list(absentSubject.digest);
    expect(index.manifests.map(({ digest }) => digest)).toEqual([
      orphan.digest,
    ]);
  });

  it("gives an index without a type none, and annotations that are words", async () => {
    const { index } = await list(config.digest);
    const { digest, mediaType, size } = typeless;
    expect(index.manifests).toEqual([
      {
        digest,
        mediaType,
        size,
        annotations: { "org.example.note": "text" },
      },
    ]);
    const filtered = await list(
      config.digest,
      `?artifactType=${encodeURIComponent(TYPE_A)}`,
    );
    expect(filtered.index.manifests).toEqual([]);
  });

  it("refuses a digest that is none", async () => {
    const reply = await send("GET", "referrers/latest");
    expect(reply.status).toBe(400);
    expectError(reply);
  });

  it("serves the referrers themselves", async () => {
    const { digest, data } = referrers[4]!;
    const reply = await send("GET", `manifests/${digest}`, { Accept: INDEX });
    expect(reply.body).toEqual(data);
  });
});

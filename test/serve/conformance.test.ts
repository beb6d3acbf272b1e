// The pull and content-discovery cases that the OCI distribution-spec's
// conformance suite puts to a registry, one by one, as requests over the wire.
// What the suite would push first lies here in a layout.
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
import { named, writeLayout } from "../helpers/layout-writer.js";
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

const referrers = [
  artifact("a, by its config", TYPE_A, "config", image.manifest),
  artifact("a, by its type", TYPE_A, "artifactType", image.manifest),
  artifact("b, by its config", TYPE_B, "config", image.manifest),
  artifact("b, by its type", TYPE_B, "artifactType", image.manifest),
  artifact("an index", TYPE_B, "index", image.manifest),
];
const orphan = artifact("of nothing", TYPE_A, "artifactType", absentSubject);
const tags = ["test0", "test1", "test2", "test3", "tagtest0"];

let registry: TestRegistry;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-conformance-"));
  await writeLayout(folder, [
    ...tags.map((tag) => named(image, tag)),
    ...[...referrers, orphan].map((top) => ({ top, blobs: [empty] })),
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
    expect(await list("")).toEqual(tags.toSorted());
  });

  it("gives as many as are asked for, from where it is told", async () => {
    const half = Math.floor(tags.length / 2);
    const first = await list(`?n=${half}`);
    expect(first).toHaveLength(half);
    const last = first.at(-1)!;
    const next = await list(`?n=${half}&last=${last}`);
    expect(next.length).toBeLessThanOrEqual(half);
    expect(next).not.toContain(last);
    expect([...first, ...next]).toEqual(tags.toSorted().slice(0, 2 * half));
    expect(await list("?n=0")).toEqual([]);
  });

  it("links to what follows", async () => {
    const reply = await send("GET", "tags/list?n=2");
    expect(reply.headers["link"]).toMatch(/^<[^>]+>; ?rel="next"$/);
    const all = await send("GET", `tags/list?n=${tags.length}`);
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

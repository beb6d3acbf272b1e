import { MAX_MANIFEST_BYTES, parseManifest } from "#src/registry/manifest.js";
import { topLevelKeys } from "#src/registry/json.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI = "application/vnd.oci.image.manifest.v1+json";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const DIGEST = `sha256:${"a".repeat(64)}`;

const config = { mediaType: CONFIG, digest: DIGEST, size: 10 };
const layer = { mediaType: LAYER, digest: DIGEST, size: 20 };
const image = { schemaVersion: 2, mediaType: OCI, config, layers: [layer] };
const entry = { mediaType: OCI, digest: DIGEST, size: 30 };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] };

function parse(document: unknown, mediaType = "") {
  const text =
    typeof document === "string" ? document : JSON.stringify(document);
  return parseManifest(Buffer.from(text), mediaType, "reg.test/app:1");
}

/** The same without a field. */
function without<T extends object>(object: T, key: keyof T): Partial<T> {
  const copy: Partial<T> = { ...object };
  delete copy[key];
  return copy;
}

describe("what is accepted", () => {
  test("an image and an index of both families", () => {
    expect(parse(image, OCI)).toEqual({
      kind: "image",
      mediaType: OCI,
      config,
      layers: [layer],
    });
    expect(parse({ ...image, mediaType: DOCKER }, DOCKER)).toMatchObject({
      kind: "image",
      mediaType: DOCKER,
    });
    expect(parse(index, OCI_INDEX)).toEqual({
      kind: "index",
      mediaType: OCI_INDEX,
      manifests: [entry],
    });
    expect(parse({ ...index, mediaType: LIST }, LIST)).toMatchObject({
      kind: "index",
      mediaType: LIST,
    });
  });

  test.each(["", "application/json", "application/octet-stream", "text/plain"])(
    "a registry that calls it %j: mediaType or shape tells",
    (type) => {
      expect(parse({ ...image, mediaType: DOCKER }, type).mediaType).toBe(
        DOCKER,
      );
      expect(parse(without(image, "mediaType"), type).mediaType).toBe(OCI);
      expect(parse(without(index, "mediaType"), type).mediaType).toBe(
        OCI_INDEX,
      );
    },
  );

  test("no mediaType beside a header that tells", () => {
    expect(parse(without(image, "mediaType"), DOCKER).mediaType).toBe(DOCKER);
  });

  test("nulls, unknown fields, any order, escapes, white space", () => {
    const text = `
{ "x": {"layers": 1, "mediaType": [null, {"config": "\\"}"}]},
  "layers" : [ { "size": 20, "urls": null, "annotations": {}, "x": 1.5e3,
    "mediaType": "${LAYER}", "digest": "${DIGEST}", "platform": null } ],
  "annotations": null, "media\\u0054ype": "${OCI}", "subject": null,
  "artifactType": null, "schemaVersion": 2,
  "config": {"mediaType":"${CONFIG}","digest":"${DIGEST}","size":10} }
`;
    expect(parse(text, OCI)).toMatchObject({
      kind: "image",
      config,
      layers: [{ ...layer, annotations: new Map() }],
    });
  });

  test("an image without layers", () => {
    const none = { kind: "image", layers: [] };
    expect(parse({ ...image, layers: [] }, OCI)).toMatchObject(none);
    expect(parse({ ...image, layers: null }, OCI)).toMatchObject(none);
    expect(parse(without(image, "layers"), OCI)).toMatchObject(none);
  });

  test("all fields of a descriptor", () => {
    const full = {
      ...entry,
      data: "e30=",
      artifactType: "x/y",
      urls: ["https://x.test/"],
      annotations: { a: "b", __proto__x: "c" },
      platform: {
        os: "windows",
        architecture: "amd64",
        variant: "v2",
        "os.version": "10.0",
        "os.features": ["win32k"],
      },
    };
    const parsed = parse({ ...index, manifests: [full] }, OCI_INDEX);
    expect(parsed).toMatchObject({
      manifests: [
        {
          ...entry,
          data: "e30=",
          artifactType: "x/y",
          urls: ["https://x.test/"],
          annotations: new Map([
            ["a", "b"],
            ["__proto__x", "c"],
          ]),
          platform: {
            os: "windows",
            architecture: "amd64",
            variant: "v2",
            osVersion: "10.0",
            osFeatures: ["win32k"],
          },
        },
      ],
    });
  });

  test.each([
    CONFIG,
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
  ])("config type %j", (mediaType) => {
    const document = { ...image, config: { ...config, mediaType } };
    expect(parse(document, OCI).kind).toBe("image");
  });

  test.each([
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/octet-stream",
    "",
  ])("layer type %j", (mediaType) => {
    const document = { ...image, layers: [{ ...layer, mediaType }] };
    expect(parse(document, OCI).kind).toBe("image");
  });
});

describe("what could be read in two ways", () => {
  const both = { ...image, manifests: [entry] };
  const cases: [string, unknown, string][] = [
    ["layers and manifests, as image", both, OCI],
    [
      "layers and manifests, as index",
      { ...both, mediaType: OCI_INDEX },
      OCI_INDEX,
    ],
    ["layers and manifests, unnamed", without(both, "mediaType"), ""],
    ["config and manifests", { ...index, config }, OCI_INDEX],
    ["header index, body image", image, OCI_INDEX],
    ["header image, body index", index, OCI],
    ["header docker, body OCI", image, DOCKER],
    ["an image called an index", without(image, "mediaType"), OCI_INDEX],
    ["an index called an image", without(index, "mediaType"), OCI],
    ["an index that calls itself an image", { ...index, mediaType: OCI }, ""],
  ];
  test.each(cases)("%s", (_name, document, type) => {
    expect(() => parse(document, type)).toThrow(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  });

  const text = JSON.stringify(image);
  const twice: [string, string][] = [
    ["mediaType", text.replace("{", `{"mediaType":"${OCI}",`)],
    ["layers", text.replace("{", '{"layers":[],')],
    ["config", text.replace(/\}$/, `,"config":${JSON.stringify(config)}}`)],
    ["manifests", JSON.stringify(index).replace("{", '{"manifests":[],')],
    ["an escaped spelling", text.replace("{", '{"l\\u0061yers":[],')],
    ["another case", text.replace("{", '{"Layers":[],')],
    ["another case alone", text.replace('"layers"', '"LAYERS"')],
    ["manifests in another case", text.replace("{", '{"Manifests":[],')],
  ];
  test.each(twice)("a key twice: %s", (_name, document) => {
    expect(() => parse(document)).toThrow(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  });
});

describe("what is malformed", () => {
  const cases: [string, unknown][] = [
    ["no JSON", "nothing"],
    ["cut JSON", JSON.stringify(image).slice(0, -2)],
    ["a byte order mark", `\ufeff${JSON.stringify(image)}`],
    ["a list", []],
    ["null", "null"],
    ["an empty object", {}],
    ["nothing that tells what it is", { schemaVersion: 2 }],
    ["an image without a config", without(image, "config")],
    ["a config that is no object", { ...image, config: "x" }],
    ["layers that are no list", { ...image, layers: {} }],
    ["a layer that is no object", { ...image, layers: [null] }],
    ["a media type that is no string", { ...image, mediaType: 5 }],
    ["a negative size", { ...image, config: { ...config, size: -1 } }],
    ["half a byte", { ...image, config: { ...config, size: 1.5 } }],
    [
      "a size beyond counting",
      { ...image, config: { ...config, size: 2 ** 53 } },
    ],
    ["a size as text", { ...image, config: { ...config, size: "10" } }],
    ["no size", { ...image, config: without(config, "size") }],
    [
      "annotations that are no strings",
      { ...image, config: { ...config, annotations: { a: 1 } } },
    ],
    [
      "a platform that is no object",
      { ...index, manifests: [{ ...entry, platform: "x" }] },
    ],
    [
      "urls that are no strings",
      { ...image, layers: [{ ...layer, urls: [1] }] },
    ],
  ];
  test.each(cases)("%s", (_name, document) => {
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: "MANIFEST_INVALID",
        message: expect.stringMatching(/^reg\.test\/app:1: bad manifest: /),
      }),
    );
  });

  test("bytes that are not UTF-8", () => {
    const bytes = Buffer.from(JSON.stringify({ ...image, x: "é" }), "latin1");
    expect(() => parseManifest(bytes, OCI, "x")).toThrow(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  });

  test("more than 4 MiB", () => {
    const bytes = Buffer.alloc(MAX_MANIFEST_BYTES + 1, " ");
    expect(() => parseManifest(bytes, OCI, "x")).toThrow(
      expect.objectContaining({ code: "MANIFEST_TOO_LARGE" }),
    );
  });

  test.each([
    ["sha256:../../../etc/passwd", "DIGEST_INVALID"],
    [`sha256:${"a".repeat(63)}`, "DIGEST_INVALID"],
    [`sha256:${"A".repeat(64)}`, "DIGEST_INVALID"],
    ["sha256:", "DIGEST_INVALID"],
    [7, "DIGEST_INVALID"],
    [`sha512:${"a".repeat(128)}`, "DIGEST_UNSUPPORTED"],
  ])("digest %j", (digest, code) => {
    const documents = [
      { ...image, config: { ...config, digest } },
      { ...image, layers: [{ ...layer, digest }] },
      { ...index, manifests: [{ ...entry, digest }] },
    ];
    for (const document of documents) {
      expect(() => parse(document)).toThrow(expect.objectContaining({ code }));
    }
  });

  test("whatever comes, the error is one of ours", () => {
    const value = fc.oneof(
      { arbitrary: fc.jsonValue(), weight: 3 },
      fc.constantFrom(
        config,
        layer,
        entry,
        [layer],
        [entry],
        OCI,
        OCI_INDEX,
        2,
      ),
    );
    const document = fc.record(
      {
        mediaType: value,
        schemaVersion: value,
        config: value,
        layers: value,
        manifests: value,
        fsLayers: value,
        artifactType: value,
      },
      { requiredKeys: [] },
    );
    const type = fc.constantFrom("", OCI, OCI_INDEX, DOCKER, LIST, "x/y");
    fc.assert(
      fc.property(document, type, (document, type) => {
        try {
          expect(["image", "index"]).toContain(parse(document, type).kind);
        } catch (error) {
          expect(error).toMatchObject({
            name: "TpullError",
            code: expect.stringMatching(
              /^(MANIFEST_(INVALID|UNSUPPORTED)|NOT_AN_IMAGE|DIGEST_(INVALID|UNSUPPORTED))$/,
            ),
          });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("very deep nesting", () => {
    const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
    const text = JSON.stringify(image).replace("{", `{"x":${deep},`);
    expect(parse(text).kind).toBe("image");
  });
});

test("top-level keys are found however the document is written", () => {
  const object = fc.dictionary(
    fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom('"', "\\", "{", "a,b"),
    ),
    fc.jsonValue(),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(object, fc.integer({ min: 0, max: 4 }), (object, indent) => {
      const text = JSON.stringify(object, null, indent);
      expect(topLevelKeys(text).sort()).toEqual(Object.keys(object).sort());
    }),
  );
});

describe("what is not an image", () => {
  const empty = "application/vnd.oci.empty.v1+json";
  const cases: [string, object, RegExp][] = [
    [
      "a Helm chart",
      {
        config: {
          ...config,
          mediaType: "application/vnd.cncf.helm.config.v1+json",
        },
      },
      /a Helm chart/,
    ],
    [
      "an AI model",
      {
        config: {
          ...config,
          mediaType: "application/vnd.docker.ai.model.config.v0.1+json",
        },
      },
      /an AI model/,
    ],
    [
      "a plugin",
      {
        config: {
          ...config,
          mediaType: "application/vnd.docker.plugin.v1+json",
        },
      },
      /a docker plugin/,
    ],
    [
      "WebAssembly",
      {
        config: { ...config, mediaType: "application/vnd.wasm.config.v0+json" },
      },
      /WebAssembly/,
    ],
    [
      "the empty config",
      { config: { ...config, mediaType: empty } },
      /an OCI artifact/,
    ],
    [
      "the empty config, typed",
      {
        config: { ...config, mediaType: empty },
        artifactType: "application/vnd.example.thing",
      },
      /an OCI artifact \(application\/vnd\.example\.thing\)/,
    ],
    [
      "the empty config of an SBOM",
      {
        config: { ...config, mediaType: empty },
        artifactType: "application/spdx+json",
      },
      /bill of materials/,
    ],
    [
      "an attestation",
      { layers: [{ ...layer, mediaType: "application/vnd.in-toto+json" }] },
      /an attestation/,
    ],
    [
      "a signature",
      {
        layers: [
          {
            ...layer,
            mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
          },
        ],
      },
      /a signature/,
    ],
    [
      "an empty layer",
      { layers: [{ ...layer, mediaType: empty }] },
      /an OCI artifact/,
    ],
    [
      "an unknown config",
      { config: { ...config, mediaType: "application/vnd.acme.thing" } },
      /something else \(application\/vnd\.acme\.thing\)/,
    ],
    [
      "an unknown layer",
      {
        layers: [
          layer,
          { ...layer, mediaType: "text/plain" },
          { ...layer, mediaType: "image/png" },
        ],
      },
      /something else \(image\/png\)/,
    ],
    [
      "a type with control characters",
      { config: { ...config, mediaType: "x/\u001b[31m" } },
      /something else \(x\/ \[31m\)/,
    ],
  ];
  test.each(cases)("%s", (_name, fields, words) => {
    expect(() => parse({ ...image, ...fields }, OCI)).toThrow(
      expect.objectContaining({
        code: "NOT_AN_IMAGE",
        message: expect.stringMatching(words),
      }),
    );
  });

  test("an OCI artifact manifest", () => {
    const type = "application/vnd.oci.artifact.manifest.v1+json";
    const document = { mediaType: type, blobs: [] };
    expect(() => parse(document, type)).toThrow(
      expect.objectContaining({ code: "NOT_AN_IMAGE" }),
    );
  });
});

describe("what is not supported", () => {
  const schema1 = "application/vnd.docker.distribution.manifest.v1+json";
  test.each([
    ["by header", image, schema1],
    [
      "signed",
      image,
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ],
    ["by mediaType", { mediaType: schema1 }, ""],
    ["by version", { schemaVersion: 1, name: "x", tag: "y" }, ""],
    ["by its layers", { schemaVersion: 1, fsLayers: [] }, "text/plain"],
    ["hidden behind an image", { ...image, fsLayers: [{}] }, OCI],
  ])("docker's schema 1, %s", (_name, document, type) => {
    expect(() => parse(document, type)).toThrow(
      expect.objectContaining({
        code: "MANIFEST_UNSUPPORTED",
        message: expect.stringContaining("schema 1"),
      }),
    );
  });

  test("a manifest of a type of its own", () => {
    const type = "application/vnd.acme.manifest+json";
    expect(() => parse({ mediaType: type, config, layers: [] }, type)).toThrow(
      expect.objectContaining({ code: "MANIFEST_UNSUPPORTED" }),
    );
  });

  test("encrypted layers", () => {
    const mediaType = `${LAYER}+encrypted`;
    const document = { ...image, layers: [{ ...layer, mediaType }] };
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: "MANIFEST_UNSUPPORTED",
        message: expect.stringContaining("encrypted"),
      }),
    );
  });
});

/**
 * Images of odd configs: what a listing, an inspection and a history of them
 * show is all that they are good for. dockerd pulls every one of them.
 */
import { Buffer } from "node:buffer";
import {
  layerOf,
  type Blob,
  type Image,
  type LayerBlob,
  sha256,
} from "../image-builder.js";
import { archive, file } from "../tar-writer.js";

const CONFIG = "application/vnd.docker.container.image.v1+json";
const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

export interface OddConfig {
  readonly name: string;
  /** Beside `rootfs`, which follows from the layers. */
  readonly config: Readonly<Record<string, unknown>>;
  /** How many; one by default. They differ from image to image. */
  readonly layers?: number;
}

/** An image with this config, to the byte. */
export function imageWithConfig({
  name,
  config,
  layers = 1,
}: OddConfig): Image {
  const own = Array.from({ length: layers }, (_, at) => layer(name, at));
  const rootfs = { type: "layers", diff_ids: own.map(({ diffId }) => diffId) };
  const blob = json(CONFIG, { ...config, rootfs });
  const manifest = json(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: described(blob),
    layers: own.map(described),
  });
  return { config: blob, layers: own, manifest };
}

function layer(name: string, at: number): LayerBlob {
  const content = `${name} ${at}`.repeat(1000 ** at);
  return layerOf(archive([file(`${name}-${at}`, content)]));
}

function json(mediaType: string, value: unknown): Blob {
  const data = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(data), size: data.length, data };
}

function described({ mediaType, digest, size }: Blob): object {
  return { mediaType, digest, size };
}

const LINUX = { architecture: "amd64", os: "linux" };

export const ODD_CONFIGS: readonly OddConfig[] = [
  {
    name: "everything",
    layers: 3,
    config: {
      ...LINUX,
      variant: "v2",
      "os.version": "6.1",
      "os.features": ["x"],
      created: "2023-04-05T06:07:08.123456789Z",
      author: "Jörg <j@example> & 鯨",
      comment: "of the image <&>",
      docker_version: "19.03.1-ce",
      container: "c".repeat(64),
      container_config: { Hostname: "h", Cmd: ["x"], Labels: { in: "out" } },
      config: {
        Hostname: "host",
        User: "1000:users",
        ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000-8010/tcp": {} },
        Tty: true,
        Env: ["PATH=/bin", "EMPTY=", "UNICODE=ünï鯨\u2028", 'QUOTE="\\\t'],
        Entrypoint: ["/entry", "<&>"],
        Cmd: ["--flag"],
        Healthcheck: {
          Test: ["CMD-SHELL", "curl -f http://localhost || exit 1"],
          Interval: 30_000_000_000,
          Timeout: 1_500_000_000,
          StartPeriod: 90_000_000_000,
          Retries: 3,
        },
        Volumes: { "/data": {}, "/a b": {} },
        WorkingDir: "/w",
        OnBuild: ["RUN x", "COPY . /"],
        Labels: {
          b: "<b>&amp;",
          a: "ünï鯨",
          "10": "ten",
          "9": "nine",
          "org.example/ü": "",
        },
        StopSignal: "SIGRTMIN+3",
        Shell: ["/bin/bash", "-c"],
      },
      history: [
        { created: "2023-01-01T00:00:00Z", created_by: "ADD\trootfs <&>" },
        {
          created: "2023-01-02T00:00:00.999Z",
          created_by: `RUN ${"a".repeat(80)}`,
          comment: "buildkit.dockerfile.v0",
        },
        {
          created: "2023-01-03T00:00:00+02:00",
          created_by: "ENV x=y",
          empty_layer: true,
          author: "me",
        },
        { created: "2023-04-05T06:07:08Z", created_by: "鯨".repeat(40) },
        { created_by: "LABEL", empty_layer: true, comment: "of the last step" },
      ],
    },
  },
  { name: "no-config", config: { ...LINUX, created: "2022-01-01T00:00:00Z" } },
  {
    name: "empty-config",
    config: { created: "2022-01-02T00:00:00Z", config: {}, history: [] },
  },
  {
    name: "nulls",
    config: {
      ...LINUX,
      created: null,
      author: null,
      history: null,
      config: {
        Env: null,
        Cmd: null,
        Labels: null,
        Healthcheck: null,
        ExposedPorts: null,
      },
    },
  },
  {
    name: "empty-lists",
    config: {
      ...LINUX,
      created: "2022-01-03T00:00:00Z",
      config: {
        Env: [],
        Cmd: [],
        Entrypoint: [],
        OnBuild: [],
        Shell: [],
        Labels: {},
        Volumes: {},
        ExposedPorts: {},
        Healthcheck: {},
      },
    },
  },
  {
    name: "no-created",
    config: { ...LINUX, config: { Labels: { only: "1" } } },
  },
  {
    name: "zero-created",
    config: { ...LINUX, created: "0001-01-01T00:00:00Z" },
  },
  {
    name: "epoch",
    config: {
      ...LINUX,
      created: "1970-01-01T00:00:00Z",
      history: [
        { created: "1970-01-01T00:00:00Z", created_by: "reproducible" },
      ],
    },
  },
  {
    name: "long-ago",
    config: { ...LINUX, created: "1515-09-13T09:00:00.5-01:00" },
  },
  {
    name: "elsewhere",
    config: {
      architecture: "arm",
      variant: "v7",
      os: "linux",
      created: "2022-02-03T04:05:06.070+05:45",
    },
  },
  {
    name: "words",
    config: {
      ...LINUX,
      created: "2022-01-04T00:00:00Z",
      config: { Cmd: "one word", Entrypoint: "another", Shell: "sh" },
    },
  },
  {
    name: "healthcheck-none",
    config: {
      ...LINUX,
      created: "2022-01-05T00:00:00Z",
      config: { Healthcheck: { Test: ["NONE"] } },
    },
  },
  {
    name: "other-case",
    config: {
      ARCHITECTURE: "s390x",
      Created: "2022-01-06T00:00:00Z",
      Author: "Case",
      Config: { env: ["A=b"], workingdir: "/case", labels: { A: "b", a: "B" } },
      History: [{ Created_By: "case", Empty_Layer: true }],
    },
  },
  {
    name: "comments",
    layers: 2,
    config: {
      ...LINUX,
      created: "2022-01-07T00:00:00Z",
      history: [
        { created: "2022-01-07T00:00:00Z", comment: "first" },
        { created: "2022-01-07T00:00:00Z", comment: "last" },
      ],
    },
  },
  {
    name: "short-history",
    layers: 3,
    config: {
      ...LINUX,
      created: "2022-01-08T00:00:00Z",
      history: [
        { created: "2022-01-08T00:00:00Z", created_by: "one of three" },
      ],
    },
  },
  {
    name: "no-layers",
    layers: 0,
    config: { ...LINUX, created: "2022-01-09T00:00:00Z" },
  },
];

/**
 * Configs as they may lie in a store; some are none that docker would load.
 * Each is the text of a file.
 */
export const STORED_CONFIGS: readonly string[] = [
  `{"rootfs":{}}`,
  `{"rootfs":{"type":"layers"},"extra":{"deep":[1,{}]}}`,
  `{"RootFS":{"Type":"layers","Diff_IDs":null}}`,
  `{"rootfs":{"diff_ids":[]},"config":{"Labels":{"a":null}}}`,
  `{"rootfs":{},"author":"a","AUTHOR":"b"}`,
  `{"rootfs":{},"config":{"Cmd":["a",null]}}`,
  `{"rootfs":{},"config":{"Volumes":{"/v":{"x":1}}}}`,
  `{"rootfs":{},"config":{"Volumes":{"/v":null}}}`,
  `{"rootfs":{},"config":{"Healthcheck":{"Interval":-1}}}`,
  `{"rootfs":{},"Size":9007199254740993}`,
  `{"rootfs":{},"created":"2024-02-29T23:59:59.999999999999Z"}`,
  `{"rootfs":{},"os":"linux","os.features":["a"]}`,
  `{"rootfs":{},"os":"windows"}`,
  `{"rootfs":{},"author":"\\ud800"}`,
  `\n {"rootfs" : { } } \t`,
  ``,
  `null`,
  `[]`,
  `{}`,
  `"x"`,
  `{"rootfs":null}`,
  `{"rootfs":[]}`,
  `{"rootfs":{}} x`,
  `{"rootfs":{},}`,
  `\ufeff{"rootfs":{}}`,
  `{"rootfs":{"diff_ids":{}}}`,
  `{"rootfs":{"diff_ids":[1]}}`,
  `{"rootfs":{"diff_ids":["sha256:${"a".repeat(64)}"]}}`,
  `{"rootfs":{},"author":1}`,
  `{"rootfs":{},"created":""}`,
  `{"rootfs":{},"created":0}`,
  `{"rootfs":{},"created":"2023-02-29T00:00:00Z"}`,
  `{"rootfs":{},"created":"2024-01-01 00:00:00Z"}`,
  `{"rootfs":{},"Size":1.5}`,
  `{"rootfs":{},"Size":"1"}`,
  `{"rootfs":{},"history":{}}`,
  `{"rootfs":{},"history":[{"empty_layer":1}]}`,
  `{"rootfs":{},"history":[{"created":"x"}]}`,
  `{"rootfs":{},"history":[null]}`,
  `{"rootfs":{},"config":[]}`,
  `{"rootfs":{},"config":{"Env":"A=b"}}`,
  `{"rootfs":{},"config":{"Cmd":[1]}}`,
  `{"rootfs":{},"config":{"Cmd":{}}}`,
  `{"rootfs":{},"config":{"Labels":{"a":1}}}`,
  `{"rootfs":{},"config":{"ExposedPorts":["80"]}}`,
  `{"rootfs":{},"config":{"Volumes":{"/v":true}}}`,
  `{"rootfs":{},"config":{"Tty":"true"}}`,
  `{"rootfs":{},"config":{"Healthcheck":{"Interval":"30s"}}}`,
  `{"rootfs":{},"config":{"StopTimeout":1.5}}`,
  `{"rootfs":{},"container_config":{"Env":{}}}`,
  `{"rootfs":{},"os.features":"x"}`,
];

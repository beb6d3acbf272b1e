// The examples of the README mean what it says they do.
import { afterAll, describe, expect, it } from "vitest";
import type { HostConfig } from "#src/registry/endpoint.js";
import { readmeBlocks } from "../helpers/readme-blocks.js";
import { Cleanups } from "../helpers/run.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { ConfigTree, plainPlace } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const hub = plainPlace("https://registry-1.docker.io", true);
const pulls = { capabilities: ["pull"] } as const;

const MEANINGS: Readonly<
  Record<string, { registry: string; places: HostConfig[] }>
> = {
  cache: {
    registry: "docker.io",
    places: [
      plainPlace("http://cache.internal:5000", false, {
        connection: { verify: true, connectTimeoutMs: 2000 },
      }),
      hub,
    ],
  },
  Spegel: {
    registry: "quay.io",
    places: [
      ...["http://10.0.0.11:30020", "http://10.0.0.12:30020"].map((url) =>
        plainPlace(url, false, {
          connection: { verify: true, connectTimeoutMs: 200 },
        }),
      ),
      plainPlace("https://quay.io", true),
    ],
  },
  Dragonfly: {
    registry: "docker.io",
    places: [
      plainPlace("http://127.0.0.1:4001", false, {
        headers: { "x-dragonfly-registry": "https://registry-1.docker.io" },
      }),
      hub,
    ],
  },
  Harbor: {
    registry: "docker.io",
    places: [
      plainPlace("https://harbor.internal/v2/hub", false, {
        overridePath: true,
        connection: { verify: true, ca: [TEST_CERTIFICATE.trim()] },
      }),
      hub,
    ],
  },
  Kraken: {
    registry: "registry.internal:5000",
    places: [
      plainPlace("http://127.0.0.1:16000", false, pulls),
      plainPlace("http://registry.internal:5000", true),
    ],
  },
};

describe("hosts.toml in the README", () => {
  const examples = readmeBlocks().filter(({ language }) => language === "toml");

  it("is there for each of them", () => {
    expect(examples.map(({ title }) => title).toSorted()).toEqual(
      Object.keys(MEANINGS).toSorted(),
    );
  });

  it.each(examples)("$title", async ({ title, path, text }) => {
    const { registry, places } = MEANINGS[title]!;
    const tree = await ConfigTree.write(cleanups, {
      "ca.pem": TEST_CERTIFICATE,
    });
    const written = await ConfigTree.write(cleanups, {
      [path]: text.replace("/etc/ssl/private-ca.pem", tree.at("ca.pem")),
    });
    expect(await written.find(registry)).toEqual({ places, warnings: [] });
  });
});

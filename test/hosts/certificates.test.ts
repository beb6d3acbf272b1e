// Certificates in folders, by docker's rules.
import { generateKeyPairSync } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { Cleanups } from "../helpers/run.js";
import { TEST_CERTIFICATE, TEST_KEY } from "../helpers/test-certificate.js";
import { ConfigTree } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const pem = TEST_CERTIFICATE.trim();
const DOCKER = "etc/docker/certs.d";

describe("certificates of the registry's folder", () => {
  it("are authorities and pairs", async () => {
    const tree = await ConfigTree.write(cleanups, {
      [`${DOCKER}/reg:5000/a.crt`]: TEST_CERTIFICATE,
      [`${DOCKER}/reg:5000/b.crt`]: `text\n${TEST_CERTIFICATE}`,
      [`${DOCKER}/reg:5000/me.cert`]: TEST_CERTIFICATE,
      [`${DOCKER}/reg:5000/me.key`]: TEST_KEY,
      [`${DOCKER}/reg:5000/readme.txt`]: "nothing",
    });
    const { places, warnings } = await tree.find("reg:5000");
    expect(warnings).toEqual([]);
    expect(places.map(({ connection }) => connection)).toEqual([
      {
        verify: true,
        ca: [pem, pem],
        client: [{ cert: pem, key: TEST_KEY }],
      },
    ]);
  });

  it.each([
    ["reg:5000", "reg:5000", true],
    ["reg:5000", "reg_5000_", true],
    ["reg:5000", "reg", false],
    ["reg:5000", "_default", true],
    ["[::1]:5000", "[::1]:5000", true],
    ["docker.io", "docker.io", true],
    ["docker.io", "registry-1.docker.io", true],
  ])("of %s are found in %s: %s", async (registry, name, found) => {
    const tree = await ConfigTree.write(cleanups, {
      [`home/.config/docker/certs.d/${name}/me.cert`]: TEST_CERTIFICATE,
      [`home/.config/docker/certs.d/${name}/me.key`]: TEST_KEY,
    });
    const { places } = await tree.find(registry);
    expect(places[0]?.connection.client?.length).toBe(found ? 1 : undefined);
  });

  it("go with the routes of a hosts.toml elsewhere", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/_default/hosts.toml": '[host."https://m"]',
      [`${DOCKER}/reg/ca.crt`]: TEST_CERTIFICATE,
    });
    const { places } = await tree.find("reg");
    expect(places.map(({ connection }) => connection)).toEqual([
      { verify: true },
      { verify: true, ca: [pem] },
    ]);
  });

  it("are not read beside a hosts.toml, nor where it names others", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/reg/hosts.toml":
        'skip_verify = false\n[host."https://m"]\nclient = "joint.pem"\n',
      "etc/containerd/certs.d/reg/joint.pem": TEST_CERTIFICATE + TEST_KEY,
      "etc/containerd/certs.d/reg/ca.crt": TEST_CERTIFICATE,
      [`${DOCKER}/m/ca.crt`]: TEST_CERTIFICATE,
    });
    const { places } = await tree.find("reg");
    expect(places[0]?.connection.ca).toBeUndefined();
    expect(places[1]?.connection).toEqual({ verify: true });
  });

  it("belong to the host that is contacted: a mirror has its own", async () => {
    const tree = await ConfigTree.write(cleanups, {
      [`${DOCKER}/cache:5000/ca.crt`]: TEST_CERTIFICATE,
      [`${DOCKER}/_default/me.cert`]: TEST_CERTIFICATE,
      [`${DOCKER}/_default/me.key`]: TEST_KEY,
    });
    const { places } = await tree.find("reg", {
      mirrors: ["reg=https://cache:5000/x", "reg=https://other"],
    });
    expect(places.map(({ connection }) => connection)).toEqual([
      { verify: true, ca: [pem] },
      { verify: true },
      { verify: true, client: [{ cert: pem, key: TEST_KEY }] },
    ]);
  });
});

describe("what is wrong with them", () => {
  const otherKey = generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
  const locked = generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "s3cret",
    })
    .toString();

  it.each<[string, Record<string, string>, RegExp]>([
    [
      "a certificate without a key",
      { "me.cert": TEST_CERTIFICATE },
      /me\.key, the key of the client certificate me\.cert, is missing/,
    ],
    [
      "a key without a certificate",
      { "me.key": TEST_KEY },
      /me\.cert, the client certificate of the key me\.key, is missing/,
    ],
    [
      "the key of another",
      { "me.cert": TEST_CERTIFICATE, "me.key": otherKey },
      /does not belong/,
    ],
    [
      "a key under a password",
      { "me.cert": TEST_CERTIFICATE, "me.key": locked },
      /me\.key has no private key/,
    ],
    [
      "no certificate",
      { "ca.crt": "\u0030\u0082" },
      /ca\.crt has no certificate/,
    ],
    [
      "a damaged one",
      { "ca.crt": TEST_CERTIFICATE.replace("MIIB", "AAAA") },
      /ca\.crt has no certificate/,
    ],
  ])("%s", async (_, files, message) => {
    const tree = await ConfigTree.write(
      cleanups,
      Object.fromEntries(
        Object.entries(files).map(([name, content]) => [
          `${DOCKER}/reg/${name}`,
          content,
        ]),
      ),
    );
    const error: unknown = await tree.find("reg").catch((one: unknown) => one);
    expect(error).toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
      message: expect.stringMatching(message),
      details: { file: tree.at(`${DOCKER}/reg`) },
    });
    // Nobody else is troubled.
    expect(await tree.urls("other")).toEqual(["https://other"]);
  });
});

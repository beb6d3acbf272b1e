// What counts of a daemon.json, and what is none that dockerd would start with.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseDaemonSettings, readDaemonSettings } from "#store/index.js";
import { temporaryFolder } from "../support/roots.js";

async function settingsOf(text: string | Uint8Array): Promise<unknown> {
  const file = join(await temporaryFolder(), "daemon.json");
  await writeFile(file, text);
  return readDaemonSettings(file);
}

it.each<[string, string, unknown]>([
  ["nothing", "", {}],
  ["white space", " \n", {}],
  [
    "directives that are not judged are named",
    '{"debug": true, "foo": 1, "log-driver": "journald"}',
    { notJudged: ["foo", "log-driver"] },
  ],
  ["a level in any case", '{"log-level": "INFO"}', {}],
  ["no level", '{"log-level": "", "storage-opts": []}', {}],
  [
    "options of the storage driver",
    '{"storage-opts": ["overlay2.size=1G"]}',
    { storageOptions: ["overlay2.size=1G"] },
  ],
  [
    "null is as good as absent",
    '{"storage-driver": null, "features": null}',
    {},
  ],
  ["an empty word is none", '{"storage-driver": "", "userns-remap": ""}', {}],
  [
    "all there is",
    `{"storage-driver": "overlay2", "data-root": "/srv", "userns-remap": "default",
      "features": {"containerd-snapshotter": false, "containerd-migration": true, "cdi": true}}`,
    {
      storageDriver: "overlay2",
      dataRoot: "/srv",
      usernsRemap: "default",
      containerdSnapshotter: false,
      containerdMigration: true,
    },
  ],
])("%s", async (_, text, expected) => {
  expect(JSON.parse(JSON.stringify(await settingsOf(text)))).toEqual(expected);
});

it.each<[string, string, string]>([
  ["no JSON", '{"debug": true,}', "it is not JSON: "],
  ["a list", "[]", "it is not a JSON object"],
  ["a driver that is no word", '{"storage-driver": 2}', "is not a string"],
  ["features that are none", '{"features": ["x"]}', "is not a JSON object"],
  [
    "a feature that is neither on nor off",
    '{"features": {"containerd-snapshotter": "yes"}}',
    '"containerd-snapshotter" is not a boolean',
  ],
  ["a switch that is a word", '{"debug": "yes"}', "is not a boolean"],
  [
    "a level that there is not",
    '{"log-level": "nonsense"}',
    '"log-level" is nonsense, which is no level',
  ],
  ["options that are a word", '{"storage-opts": "x"}', "is not a list"],
  ["options that are none", '{"storage-opts": [1]}', "a list of strings"],
  ["far too much", " ".repeat(2 ** 20 + 1), "over 1048576 bytes"],
])("%s is refused", async (_, text, message) => {
  await expect(settingsOf(text)).rejects.toMatchObject({
    code: "DAEMON_JSON_INVALID",
    message: expect.stringContaining(message),
    hint: expect.any(String),
  });
});

it.each([
  ["/nonexistent/daemon.json", "there is no such file"],
  ["/dev/zero", "it is not a regular file"],
  ["/", "it is a directory"],
])("%s is refused, and not waited for", (path, why) => {
  expect(() => readDaemonSettings(path)).toThrow(
    expect.objectContaining({
      code: "DAEMON_JSON_INVALID",
      message: `${path} cannot be used as dockerd's configuration: ${why}`,
    }),
  );
});

it("text is called what it is said to be", () => {
  expect(parseDaemonSettings('{"data-root": "/srv"}', "x")).toMatchObject({
    dataRoot: "/srv",
  });
  expect(() => parseDaemonSettings("[]", "standard input")).toThrow(
    /^standard input cannot be used .*it is not a JSON object$/,
  );
});

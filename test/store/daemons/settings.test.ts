// What counts of a daemon.json, and what is none that dockerd would start with.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readDaemonSettings } from "#store/index.js";
import { temporaryFolder } from "../support/roots.js";

async function settingsOf(text: string | Uint8Array): Promise<unknown> {
  const file = join(await temporaryFolder(), "daemon.json");
  await writeFile(file, text);
  return readDaemonSettings(file);
}

it.each<[string, string, unknown]>([
  ["nothing", "", {}],
  ["white space", " \n", {}],
  ["other settings", '{"debug": true, "log-driver": "journald"}', {}],
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
  ["far too much", " ".repeat(2 ** 20 + 1), "over 1048576 bytes"],
])("%s is refused", async (_, text, message) => {
  await expect(settingsOf(text)).rejects.toMatchObject({
    code: "DAEMON_JSON_INVALID",
    message: expect.stringContaining(message),
    hint: expect.any(String),
  });
});

it("what is no file is refused, and not waited for", async () => {
  for (const path of ["/nonexistent/daemon.json", "/dev/zero", "/"]) {
    expect(() => readDaemonSettings(path)).toThrow(
      expect.objectContaining({ code: "DAEMON_JSON_INVALID" }),
    );
  }
});

// Lists that are no regular files: pipes, devices, and what is typed.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { readImageLists } from "#src/lists/index.js";
import { spawnTpull } from "../helpers/tpull-cli.js";
import { written } from "./reading.js";

function pipeIn(folder: string, name = "images.txt"): string {
  const path = join(folder, name);
  execFileSync("mkfifo", [path]);
  return path;
}

const aborted = expect.objectContaining({ code: "ABORTED" }) as Error;

describe("a named pipe", () => {
  it("is waited for, and read to its end", async () => {
    const path = pipeIn(written({}));
    const reading = readImageLists([path]);
    await delay(60);
    const writer = spawn("sh", [
      "-c",
      `(echo nginx:1; sleep 0.1; echo redis:7) > "${path}"`,
    ]);
    const over = once(writer, "exit");
    const { images } = await reading;
    expect(images.map(({ reference }) => reference)).toEqual([
      "nginx:1",
      "redis:7",
    ]);
    await over;
  });

  it("may be left while nobody writes to it", async () => {
    const path = pipeIn(written({}));
    const signal = AbortSignal.timeout(50);
    await expect(readImageLists([path], { signal })).rejects.toEqual(aborted);
  });

  it("is left by tpull at the first Ctrl-C", async () => {
    const path = pipeIn(written({}));
    const child = spawnTpull(["images-of", path]);
    await delay(1000);
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(130);
  });
});

it("a shell's <(command) is read, also where it gives nothing", async () => {
  const tpull = (command: string) =>
    spawn("bash", [
      "-c",
      `"$0" dist/cli/tpull.cjs images-of <(${command})`,
      process.execPath,
    ]);
  const some = tpull("sleep 0.2; echo nginx:1; sleep 0.2; echo redis");
  expect(await text(some.stdout)).toBe("nginx:1\nredis\n");
  const none = tpull("true");
  expect(await text(none.stderr)).toMatch(/is empty \(IMAGE_LIST_INVALID\)/);
});

it("standard input may be left while nothing is typed", async () => {
  const signal = AbortSignal.timeout(50);
  const stdin = new PassThrough();
  await expect(readImageLists(["-"], { stdin, signal })).rejects.toEqual(
    aborted,
  );
});

it("a device is not read without end", async () => {
  await expect(readImageLists(["/dev/zero"])).rejects.toThrow(/64 MiB/);
});

describe("beside a compose file", () => {
  const compose = { "compose.yaml": "services:\n  a:\n    image: nginx\n" };
  it("a pipe as .env is not waited for", async () => {
    const folder = written(compose);
    pipeIn(folder, ".env");
    await expect(
      readImageLists([join(folder, "compose.yaml")]),
    ).rejects.toThrow(/\.env: is no file/);
  });

  it("a device as .env is not read", async () => {
    const folder = written(compose);
    symlinkSync("/dev/zero", join(folder, ".env"));
    await expect(
      readImageLists([join(folder, "compose.yaml")]),
    ).rejects.toThrow(/\.env: is no file/);
  });

  it("a large .env is refused before it is read whole", async () => {
    const folder = written(compose);
    for (let megabytes = 0; megabytes <= 64; megabytes += 8) {
      appendFileSync(join(folder, ".env"), Buffer.alloc(8 << 20, "#"));
    }
    await expect(
      readImageLists([join(folder, "compose.yaml")]),
    ).rejects.toThrow(/64 MiB/);
  });
});

// The same pulls through the command line: exit status, what is said and where.
import { describe, expect, it } from "vitest";
import { tpull as runTpull } from "../helpers/tpull-cli.js";
import { listing, newRoot } from "../store/support/roots.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import { imageOf } from "../helpers/image-builder.js";
import { publish, serve } from "./support/pulls.js";
import { RunningPull } from "./support/running.js";
import { expectAsBefore, expectSound } from "./support/stored.js";

/** An ordinary user is warned once; that is not what these tests are about. */
async function tpull(
  ...call: Parameters<typeof runTpull>
): Promise<Awaited<ReturnType<typeof runTpull>>> {
  const result = await runTpull(...call);
  const stderr = result.stderr.replace(
    /^tpull: warning: .*UNPRIVILEGED\)\n/m,
    "",
  );
  return { ...result, stderr };
}

const short = (digest: string): string => digest.slice(7, 19);

describe("tpull", () => {
  it("prints docker's transcript, and again when there is nothing new", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b"]);
    const name = publish(registry, "team/app:1.0", image);
    const first = await tpull(["--root", root, name]);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const lines = first.stdout.split("\n");
    expect(lines[0]).toBe("1.0: Pulling from team/app");
    expect(lines.slice(1, 3).sort()).toEqual(
      image.layers
        .map(({ digest }) => `${short(digest)}: Pull complete`)
        .sort(),
    );
    expect(lines.slice(3)).toEqual([
      `Digest: ${image.manifest.digest}`,
      `Status: Downloaded newer image for ${name}`,
      name,
      "",
    ]);
    const second = await tpull(["pull", "--root", root, name]);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout.split("\n")).toEqual([
      "1.0: Pulling from team/app",
      `Digest: ${image.manifest.digest}`,
      `Status: Image is up to date for ${name}`,
      name,
      "",
    ]);
    await expectSound(root);
  });

  it("prints one block an image and names what failed, with status 1", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a", "b"]);
    const lost = smallLayer("lost");
    const names = [
      publish(registry, "one:1", image),
      publish(registry, "bad:1", imageOf([lost])),
      publish(registry, "two:1", smallImage(["a", "c"])),
    ];
    registry.blobs.delete(lost.digest);
    const { code, stdout, stderr } = await tpull(["--root", root, ...names]);
    expect(code).toBe(1);
    const headers = stdout
      .split("\n")
      .filter((line) => line.includes("Pulling"));
    expect(headers).toEqual([
      "1: Pulling from one",
      "1: Pulling from bad",
      "1: Pulling from two",
    ]);
    const [message = "", hint] = stderr.split("\n");
    expect(message).toMatch(
      /^tpull: 127\.0\.0\.1:\d+\/bad:1: .*BLOB_UNKNOWN\)$/,
    );
    expect(message).toContain(lost.digest);
    expect(message.split(names[1]!)).toHaveLength(2);
    expect(hint).toMatch(/^ {2}hint: /);
    await expectSound(root);
  });

  it("says only names when it is to be quiet", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a"]));
    expect(await tpull(["-q", "--root", root, name])).toMatchObject({
      code: 0,
      stdout: `${name}\n`,
      stderr: "",
    });
  });

  it.each([
    ["--platform", "no/such/plat/form"],
    ["--platform", "linux/amd64,no/such/plat/form"],
  ])("blames the command line for %s %s, with status 2", async (...option) => {
    const root = await newRoot();
    const { code, stdout, stderr } = await tpull([
      "--root",
      root,
      ...option,
      "x",
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^tpull: .*platform/);
    expect(await listing(root)).toEqual([]);
  });

  it("ends with 130 on Ctrl-C and leaves nothing but what is of use", async () => {
    const registry = await serve();
    const root = await newRoot();
    const big = bigLayer(400_000);
    const name = publish(registry, "app:1", imageOf([smallLayer("a"), big]));
    registry.faults.push({
      do: "stall",
      after: 200_000,
      on: { path: new RegExp(big.digest) },
    });
    const running = new RunningPull(root, name);
    await running.event(
      (event) => event.type === "layer" && event.state === "complete",
    );
    const stoppedAt = performance.now();
    running.interrupt();
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(performance.now() - stoppedAt).toBeLessThan(1000);
    expect(stderr).toMatch(
      /^tpull: interrupted\ntpull: 2\d\d kB of unfinished layers are kept; the same pull goes on there\n$/,
    );
    expect(running.events.at(-1)?.type).toBe("summary");
    await expectAsBefore(root, []);
  });
});

describe("tpull demo", () => {
  it("pulls an image of its own and shows what was stored", async () => {
    const root = await newRoot();
    const { code, stdout, stderr } = await tpull(["demo", "--root", root]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("latest: Pulling from demo/hello");
    expect(stdout).toContain("Status: Downloaded newer image for 127.0.0.1:");
    await expectSound(root);
  });
});

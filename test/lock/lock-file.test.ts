import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { formatLock, readLock, writeLock, type Lock } from "#src/index.js";
import { lockInPlace } from "#src/lock/index.js";
import { read, written } from "../lists/reading.js";

const A = `sha256:${"a".repeat(64)}` as Lock["images"][number]["digest"];
const B = `sha256:${"b".repeat(64)}` as typeof A;

const platform = {
  platform: "linux/amd64",
  digest: B,
  mediaType: "m",
  size: 2,
};
const image = {
  reference: "docker.io/library/nginx:1.27",
  digest: A,
  mediaType: "application/vnd.oci.image.index.v1+json",
  size: 1,
  platforms: [platform],
};
const LOCK: Lock = { images: [image] };

describe("the text", () => {
  it("is read back as it was written", async () => {
    const lock: Lock = {
      images: [
        { ...image, reference: "docker.io/library/a:1", wanted: ["all"] },
        { ...image, imageId: B as string as never },
        { ...image, wanted: ["linux/amd64", "linux/arm/v7"] },
      ],
    };
    const folder = written({ "a.lock": formatLock(lock) });
    expect(await readLock(join(folder, "a.lock"))).toEqual(lock);
  });

  it("says its version first, and is sorted whatever it is made of", () => {
    const shuffled: Lock = {
      images: [
        { ...image, wanted: ["linux/s390x", "linux/386"] },
        { ...image, reference: "docker.io/library/B:1" },
        image,
      ],
    };
    const text = formatLock(shuffled);
    expect(text).toMatch(/^\{\n {2}"lock": 1,\n/);
    const { images } = JSON.parse(text);
    expect(
      images.map(({ reference, wanted }: typeof image & { wanted: string[] }) =>
        [reference, ...(wanted ?? [])].join(" "),
      ),
    ).toEqual([
      "docker.io/library/B:1",
      "docker.io/library/nginx:1.27",
      "docker.io/library/nginx:1.27 linux/386 linux/s390x",
    ]);
    expect(Object.keys(images[1])).toEqual(Object.keys(image));
  });

  const text = (change: object): string =>
    JSON.stringify({ lock: 1, images: [{ ...image, ...change }] });

  test.each([
    [
      '{"lock": 2, "images": []}',
      /of version 2, and this tpull reads version 1/,
    ],
    ['{"images": []}', /does not begin with "lock": 1/],
    ['{"lock": 1}', /images is no list/],
    ['{"lock": 1, "images": [1]}', /images\[0\] is no object/],
    ['{"lock": 1, "images": [', /it is damaged, and no JSON/],
    ["<<<<<<< HEAD\n", /does not begin with "lock": 1/],
    ["[]", /does not begin/],
    [
      text({ digest: "sha256:0" }),
      /images\[0\]\.digest: "sha256:0" is not a digest/,
    ],
    [text({ digest: `sha512:${"a".repeat(128)}` }), /not a sha256 digest/],
    [
      text({ reference: "nginx:1.27" }),
      /not written out as docker\.io\/library\/nginx:1\.27/,
    ],
    [text({ reference: "a b" }), /images\[0\]\.reference: invalid reference/],
    [
      text({ reference: `docker.io/library/a@${B}` }),
      /cannot stand for sha256:aaa/,
    ],
    [text({ reference: 5 }), /reference is no text/],
    [text({ size: -1 }), /size is no number of bytes/],
    [text({ size: 1e300 }), /size is no number of bytes/],
    [text({ wanted: [] }), /wanted is empty/],
    [text({ wanted: ["a/b/c/d"] }), /wanted\[0\]: invalid platform/],
    [text({ platforms: {} }), /platforms is no list/],
    [text({ platforms: [{}] }), /platforms\[0\]\.digest/],
    [text({ imageId: "x" }), /imageId/],
    [
      JSON.stringify({ lock: 1, images: [image, image] }),
      /nginx:1\.27 stands there twice/,
    ],
    [
      JSON.stringify({
        lock: 1,
        images: [image, { ...image, digest: B, wanted: ["all"] }],
      }),
      /stands there twice/,
    ],
  ])("%s is refused", async (content, message) => {
    const folder = written({ "a.lock": content });
    await expect(readLock(join(folder, "a.lock"))).rejects.toMatchObject({
      code: "LOCK_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("a file that is not there", async () => {
    await expect(readLock("/nowhere/a.lock")).rejects.toMatchObject({
      code: "LOCK_INVALID",
      message: expect.stringMatching(/^\/nowhere\/a\.lock: cannot be read/),
    });
  });
});

describe("as a list", () => {
  test.each(["tpull.lock", "images.txt", "x.json", "list"])(
    "%s is known by what is in it",
    async (name) => {
      const lock: Lock = {
        images: [
          image,
          {
            ...image,
            reference: "docker.io/library/redis:7",
            wanted: ["linux/amd64", "linux/arm64"],
          },
        ],
      };
      expect(await read({ [name]: formatLock(lock) })).toEqual({
        images: [
          `docker.io/library/nginx:1.27 ${A}`,
          `docker.io/library/redis:7 linux/amd64 ${A}`,
          `docker.io/library/redis:7 linux/arm64 ${A}`,
        ],
        from: [
          `${name}, images[0]`,
          `${name}, images[1]`,
          `${name}, images[1]`,
        ],
        skipped: [],
      });
    },
  );

  test("a damaged one is no list of another form", async () => {
    const content = formatLock(LOCK).slice(0, -20);
    await expect(read({ "tpull.lock": content })).rejects.toMatchObject({
      code: "LOCK_INVALID",
      message: expect.stringMatching(
        /tpull\.lock: this is no lock file: it is damaged/,
      ),
    });
  });

  test("one for no image says so", async () => {
    const found = await read({ "a.lock": formatLock({ images: [] }) });
    expect(found.skipped).toEqual([
      "a.lock: names no image: it was written for none",
    ]);
  });

  test("what it says of a name holds for other lists, too", async () => {
    const found = await read({
      "a.txt": "nginx:1.27\nredis\nnginx:1.27 linux/arm64\n",
      "tpull.lock": formatLock(LOCK),
    });
    expect(found.images).toEqual([
      `nginx:1.27 ${A}`,
      "redis",
      `nginx:1.27 linux/arm64 ${A}`,
    ]);
  });

  test("two that say different things are refused", async () => {
    const files = {
      "a.lock": formatLock(LOCK),
      "b.lock": formatLock({ images: [{ ...image, digest: B }] }),
    };
    await expect(read(files)).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(
        /b\.lock, images\[0\]: docker\.io\/library\/nginx:1\.27 is sha256:b+ here, and sha256:a+ in .*a\.lock, images\[0\]$/,
      ),
    });
  });
});

describe("writing", () => {
  it("replaces what is there in one step, and keeps mode and link", async () => {
    const folder = written({ "real/a.lock": formatLock({ images: [] }) });
    const [real, link] = [join(folder, "real/a.lock"), join(folder, "l.lock")];
    chmodSync(real, 0o664);
    if (process.getuid?.() === 0) chownSync(real, 1234, 1235);
    const { uid, gid } = statSync(real);
    symlinkSync("real/a.lock", link);
    await writeLock(link, LOCK);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, "utf8")).toBe(formatLock(LOCK));
    expect(statSync(real)).toMatchObject({ uid, gid, mode: 0o100664 });
    expect(readdirSync(join(folder, "real"))).toEqual(["a.lock"]);
  });

  it("makes a file that others may read as the umask says", async () => {
    const path = join(written({}), "a.lock");
    await writeLock(path, LOCK);
    expect(statSync(path).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  it("does not touch a file that says the same", async () => {
    const path = join(written({ "a.lock": formatLock(LOCK) }), "a.lock");
    const before = statSync(path, { bigint: true });
    await writeLock(path, LOCK);
    const after = statSync(path, { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  });

  it("writes into what is no file", async () => {
    await writeLock("/dev/null", LOCK);
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("waits for both ends of a pipe, and no longer than for a signal", async () => {
    const path = join(written({}), "pipe");
    execFileSync("mkfifo", [path]);
    for (const work of [
      (signal: AbortSignal) => writeLock(path, LOCK, { signal }),
      (signal: AbortSignal) => readLock(path, { signal }),
    ]) {
      const leave = new AbortController();
      const left = expect(work(leave.signal)).rejects.toMatchObject({
        code: "ABORTED",
      });
      setTimeout(() => leave.abort(), 50);
      await left;
    }
    const [read] = await Promise.all([readLock(path), writeLock(path, LOCK)]);
    expect(read).toEqual(LOCK);
  });

  test("no folder, and a directory", async () => {
    const folder = written({});
    mkdirSync(join(folder, "d"));
    for (const path of ["none/a.lock", "d"]) {
      await expect(writeLock(join(folder, path), LOCK)).rejects.toMatchObject({
        code: "OUTPUT_NOT_WRITABLE",
      });
    }
    expect(readdirSync(folder)).toEqual(["d"]);
  });
});

describe("what is in the place of a lock", () => {
  it("is a lock, nothing, or not to be replaced", async () => {
    const folder = written({
      "a.lock": formatLock(LOCK),
      empty: "",
      "images.txt": "nginx\n",
      "compose.yaml": "services: {}\n",
      "damaged.lock": formatLock(LOCK).slice(0, 50),
    });
    const at = (name: string) => lockInPlace(join(folder, name));
    expect(await at("a.lock")).toEqual(LOCK);
    for (const name of ["empty", "none"]) {
      expect(await at(name)).toBeUndefined();
    }
    expect(await lockInPlace("/dev/null")).toBeUndefined();
    for (const name of ["images.txt", "compose.yaml", "damaged.lock", "."]) {
      await expect(at(name)).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    }
    writeFileSync(join(folder, "empty"), "");
  });
});

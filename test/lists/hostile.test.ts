// Lists that ask for more time or memory than any list needs.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readImageLists } from "#src/lists/index.js";
import { read, written } from "./reading.js";

const lines = (count: number, line: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => line(at)).join("");

describe("a Dockerfile", () => {
  // These took minutes, by the square of their number.
  it("may continue a line a hundred thousand times", async () => {
    const Dockerfile = `FROM a\nRUN ${"aaaaaaaaa\\\n".repeat(300_000)}true\nFROM b`;
    expect((await read({ Dockerfile })).images).toEqual(["a", "b"]);
  });

  it("may open a hundred thousand here-documents", async () => {
    const Dockerfile = `FROM a\nRUN ${"<<A ".repeat(200_000)}\n${"A\n".repeat(200_000)}FROM b\n`;
    expect((await read({ Dockerfile })).images).toEqual(["a", "b"]);
  });

  it("keeps what a continued line says", async () => {
    const Dockerfile =
      "FROM \\\n  # why\n\n  --platform=linux/arm64 \\\n a:1 \\\n\n AS x\nCOPY \\\n --from=b:2 \\\n / /\n";
    expect((await read({ Dockerfile })).images).toEqual([
      "a:1 linux/arm64",
      "b:2",
    ]);
  });

  it("whose arguments multiply is refused", async () => {
    const Dockerfile = `ARG A0=aaaaaaaaaa\n${lines(12, (at) => `ARG A${at + 1}=${`$A${at}`.repeat(10)}\n`)}FROM $A12\n`;
    await expect(read({ Dockerfile })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(/line \d+: .* 1 MiB/) as string,
    });
  });

  it("that lacks a hundred thousand arguments is refused", async () => {
    const Dockerfile = `FROM \${A:-${"$B".repeat(300_000)}}\n`;
    await expect(read({ Dockerfile })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
    });
  });
});

describe("YAML", () => {
  it("may have a hundred thousand keys", async () => {
    const services = lines(100_000, (at) => ` k${at}: {image: a}\n`);
    const found = await read({ "c.yaml": `services:\n${services}` });
    expect(found.images).toEqual(["a"]);
  });

  it.each([
    ["small", 0],
    ["large", 200_000],
  ])("has each key once, and its place is told (%s)", async (_, padding) => {
    const file = `services:\n  a: {image: x}\n  b: {image: y}\n  a: {image: z}\n#${" ".repeat(padding)}\n`;
    await expect(read({ "c.yaml": file })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(/must be unique: "a".* line 4/) as string,
    });
    const merges =
      "x: &x {image: x}\ny: &y {build: .}\nservices:\n  a:\n    <<: *x\n    <<: *y\n";
    expect((await read({ "c.yaml": merges })).images).toEqual(["x"]);
  });

  it("that is large is read as if it were small", async () => {
    const objects = lines(
      2000,
      (at) =>
        `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p${at}}\nspec:\n  containers:\n  - {name: a, image: "team/app:${at % 7}"}\n`,
    );
    expect(objects.length).toBeGreaterThan(128 * 1024);
    const found = await read({ "k.yaml": objects });
    expect(found.images).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((n) => `team/app:${n}`),
    );
    expect(found.from[1]).toBe("k.yaml, Pod/p1 container a");
  });

  it("with more aliases than anybody writes is refused", async () => {
    const file = `a: &a x\nb:\n${"- *a\n".repeat(40_000)}`;
    await expect(read({ "k.yaml": file })).rejects.toThrow(/10000 aliases/);
  });

  it("can be left while it is parsed", async () => {
    const folder = written({ "k.yaml": `a:\n${"- a\n".repeat(500_000)}` });
    const signal = AbortSignal.timeout(300);
    const begin = performance.now();
    await expect(
      readImageLists([join(folder, "k.yaml")], { signal }),
    ).rejects.toMatchObject({ code: "ABORTED" });
    // Parsing it takes several times as long.
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});

it("JSON of megabytes is read in a moment", async () => {
  const items = Array.from({ length: 20_000 }, (_, at) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `p${at}`, labels: { app: "x".repeat(200) } },
    spec: { containers: [{ name: "a", image: "team/app" }] },
  }));
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const begin = performance.now();
  expect((await read({ "k.json": list })).images).toEqual(["team/app"]);
  expect(performance.now() - begin).toBeLessThan(10_000);
});

import { expect, test } from "vitest";
import { createJsonRenderer } from "#src/cli/render-json.js";
import { image, result, summary } from "./samples.js";

function setUp() {
  const seen = { out: "", err: "" };
  const output = {
    out: (text: string) => void (seen.out += text),
    err: (text: string) => void (seen.err += text),
    pour: async () => undefined,
    failure: () => undefined,
  };
  const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const renderer = createJsonRenderer({ output, now });
  const lines = () =>
    seen.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { renderer, seen, lines };
}

test("every event is one line with schema and time in front", () => {
  const { renderer, seen, lines } = setUp();
  const nginx = image("nginx", [["n1", 10]]);
  const events = [
    nginx.resolve(),
    nginx.pulling(),
    nginx.layers(),
    nginx.layer(0, "downloading"),
    nginx.progress(0, 5),
    nginx.layer(0, "complete"),
    nginx.result(),
    image("nope").error("a\nb"),
    summary([result("nginx")]),
  ];
  for (const event of events) renderer.onEvent(event);
  renderer.close();
  const front = { schema: 1, time: "2026-01-02T03:04:05.006Z" };
  expect(lines()).toEqual(events.map((event) => ({ ...front, ...event })));
  expect(seen.out).toMatch(
    /^\{"schema":1,"time":"2026-01-02T03:04:05.006Z","type":"resolve",/,
  );
  expect(seen.err).toBe("");
});

test("a failure of the run is an error without an image", () => {
  const { renderer, lines } = setUp();
  renderer.failRun({ code: "ROOT_IN_USE", message: "m" });
  renderer.onEvent(summary());
  expect(lines()).toMatchObject([
    { type: "error", error: { code: "ROOT_IN_USE", message: "m" } },
    { type: "summary" },
  ]);
  expect(lines()[0]).not.toHaveProperty("image");
});

test("nothing comes after the summary", () => {
  const { renderer, seen, lines } = setUp();
  renderer.onEvent(summary());
  renderer.failRun({ code: "INTERNAL", message: "m" });
  renderer.failRun({ code: "ABORTED", message: "m" });
  expect(lines()).toHaveLength(1);
  expect(seen.err).toBe("tpull: m (INTERNAL)\n");
});

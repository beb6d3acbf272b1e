import { describe, expect, it, test } from "vitest";
import { createPlainRenderer } from "#src/cli/render-plain.js";
import type { PullEvent } from "#src/events.js";
import { digest, image, result, short, summary } from "./samples.js";

type Detail = Parameters<typeof createPlainRenderer>[1];

function setUp(images: string[], detail: Detail = "plain") {
  const seen = { out: "", err: "", both: "" };
  const output = {
    out: (text: string) => {
      seen.out += text;
      seen.both += text;
    },
    err: (text: string) => {
      seen.err += text;
      seen.both += text;
    },
    pour: async () => undefined,
    failure: () => undefined,
  };
  const renderer = createPlainRenderer({ images, output }, detail);
  const feed = (...events: PullEvent[]) => {
    for (const event of events) renderer.onEvent(event);
  };
  return { renderer, feed, seen };
}

const nginx = image("nginx", [
  ["n1", 10],
  ["n2", 20],
  ["n3", 30],
]);
const redis = image("redis", [["r1", 10]]);

const END = `Digest: ${digest("nginx")}
Status: Downloaded newer image for nginx:latest
docker.io/library/nginx:latest
`;

describe("docker's transcript", () => {
  it("of an image that is new, layers in the order in which they were done", () => {
    const { feed, seen } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.pulling(), nginx.layers());
    feed(nginx.layer(0, "exists"), nginx.layer(1, "waiting"));
    feed(nginx.layer(2, "downloading"), nginx.progress(2, 15));
    feed(nginx.layer(2, "extracting"), nginx.layer(2, "staged"));
    feed(nginx.layer(2, "complete"), nginx.layer(1, "complete"));
    feed(nginx.result(), summary());
    expect(seen.both).toBe(
      `latest: Pulling from library/nginx
${short("n1")}: Already exists
${short("n3")}: Pull complete
${short("n2")}: Pull complete
${END}`,
    );
  });

  it.each([
    [{ blobs: 3, bytes: 6e6, fetched: 0, missing: [] }, "3, 6MB"],
    [
      { blobs: 3, bytes: 6e6, fetched: 2, missing: [] },
      "3, 6MB (2 fetched for it)",
    ],
    [
      {
        blobs: 3,
        bytes: 10,
        fetched: 0,
        missing: [{ digest: digest("n1"), code: "X" }],
      },
      "2 of 3, 10B",
    ],
  ])("of an image whose blobs are kept says how many", (keptBlobs, words) => {
    const { feed, seen } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.pulling());
    feed({
      type: "result",
      image: "nginx",
      result: { ...result("nginx"), keptBlobs },
    });
    expect(seen.out).toBe(
      `latest: Pulling from library/nginx\nKept blobs: ${words}\n${END}`,
    );
  });

  it("of an image that is up to date has no layers", () => {
    const { feed, seen } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.pulling(), nginx.layers());
    feed(nginx.result("up-to-date"));
    expect(seen.both).toBe(
      `latest: Pulling from library/nginx
Digest: ${digest("nginx")}
Status: Image is up to date for nginx:latest
docker.io/library/nginx:latest
`,
    );
  });

  it("names a layer once that the image has twice", () => {
    const twice = image("twice", [
      ["same", 10],
      ["same", 10],
    ]);
    const { feed, seen } = setUp(["twice"]);
    feed(twice.resolve(), twice.pulling(), twice.layers());
    feed(twice.layer(0, "complete"), twice.layer(1, "complete"));
    expect(seen.both.match(/Pull complete/g)).toHaveLength(1);
  });
});

describe("several images", () => {
  it("have one block each, in the order of the references, failures in place", () => {
    const { feed, seen } = setUp(["redis", "nope", "nginx"]);
    const nope = image("nope");
    feed(nginx.resolve(), nope.resolve(), redis.resolve());
    feed(nginx.pulling(), nginx.layers(), nginx.layer(0, "complete"));
    feed(nope.error("the registry has no such tag"));
    feed(redis.pulling(), redis.layers());
    feed(nginx.layer(1, "complete"), nginx.layer(2, "complete"));
    feed(nginx.result());
    feed(redis.layer(0, "complete"));
    expect(seen.both).toBe(
      `latest: Pulling from library/redis\n${short("r1")}: Pull complete\n`,
    );
    feed(redis.result(), summary());
    expect(seen.both).toBe(
      `latest: Pulling from library/redis
${short("r1")}: Pull complete
Digest: ${digest("redis")}
Status: Downloaded newer image for redis:latest
docker.io/library/redis:latest
tpull: nope: the registry has no such tag (NOT_FOUND)
  hint: Check the tag.
latest: Pulling from library/nginx
${short("n1")}: Pull complete
${short("n2")}: Pull complete
${short("n3")}: Pull complete
${END}`,
    );
    expect(seen.err).toBe(
      "tpull: nope: the registry has no such tag (NOT_FOUND)\n  hint: Check the tag.\n",
    );
  });

  it("show what is there when the run is cut off", () => {
    const { renderer, feed, seen } = setUp(["redis", "nginx"]);
    feed(redis.resolve(), nginx.resolve(), redis.pulling(), nginx.pulling());
    feed(nginx.layer(0, "complete"));
    feed(nginx.error("stopped before it was done", "ABORTED"));
    feed(redis.error("stopped before it was done", "ABORTED"));
    renderer.failRun({ code: "ABORTED", message: "stopped" });
    renderer.close();
    expect(seen.both).toBe(
      `latest: Pulling from library/redis
latest: Pulling from library/nginx
${short("n1")}: Pull complete
`,
    );
  });
});

describe("what is no result", () => {
  const notices: PullEvent[] = [
    {
      type: "retry",
      image: "nginx",
      digest: digest("n1"),
      attempt: 2,
      delayMs: 1500,
      reason: "docker.io: connection\nreset",
    },
    { type: "wait", image: "nginx", reason: "another tpull writes" },
    { type: "warning", code: "W1", message: "no owners \x1b[2J" },
  ];
  const LINES = [
    `tpull: nginx: ${short("n1")}: docker.io: connection reset; retry 2 in 2 s\n`,
    "tpull: nginx: waiting: another tpull writes\n",
    "tpull: warning: no owners \\x1b[2J (W1)\n",
  ];

  test.each([
    ["plain", LINES],
    ["none", LINES.slice(2)],
    ["quiet", []],
  ] as const)("goes to stderr: %s", (detail, lines) => {
    const { feed, seen } = setUp(["redis", "nginx"], detail);
    feed(...notices);
    expect(seen.out).toBe("");
    expect(seen.err).toBe(lines.join(""));
  });
});

describe("less detail", () => {
  function run(detail: Detail) {
    const { feed, seen } = setUp(["nginx", "nope", "redis"], detail);
    feed(redis.resolve(), redis.pulling(), redis.layers());
    feed(redis.layer(0, "complete"), redis.result());
    feed(nginx.resolve(), nginx.pulling(), nginx.layers());
    feed(nginx.layer(0, "exists"), nginx.layer(1, "complete"));
    feed(image("nope").error(), nginx.result(), summary());
    return seen;
  }

  it("none: the lines of the results", () => {
    const { out, err } = run("none");
    expect(out).toBe(
      `${END}Digest: ${digest("redis")}
Status: Downloaded newer image for redis:latest
docker.io/library/redis:latest
`,
    );
    expect(err).toContain("tpull: nope: manifest unknown (NOT_FOUND)\n");
  });

  it("quiet: the canonical names", () => {
    const { out, err } = run("quiet");
    expect(out).toBe(
      "docker.io/library/nginx:latest\ndocker.io/library/redis:latest\n",
    );
    expect(err).toContain("tpull: nope: manifest unknown (NOT_FOUND)\n");
  });
});

describe("several platforms of an image", () => {
  const about = { image: "nginx", target: "linux/s390x" };

  it("have a block each, with the platform in it", () => {
    const { feed, seen } = setUp([]);
    const result = nginx.result();
    if (result.type !== "result") throw new Error("no result");
    const other = { ...result.result, target: "linux/s390x" };
    feed(
      { ...nginx.resolve(), target: "linux/amd64" } as PullEvent,
      { ...nginx.resolve(), ...about } as PullEvent,
      { ...result, ...about, result: other },
    );
    expect(seen.out).toBe("");
    feed({ ...result, target: "linux/amd64" });
    expect(seen.out).toBe(`${END}Platform: linux/s390x\n${END}`);
  });

  it("are named in their failures", () => {
    const { feed, seen } = setUp([]);
    feed({ ...nginx.error("gone"), ...about } as PullEvent);
    expect(seen.err).toBe(
      "tpull: nginx: linux/s390x: gone (NOT_FOUND)\n  hint: Check the tag.\n",
    );
  });
});

describe("the pulls that are left", () => {
  const limit = (remaining: number): PullEvent => ({
    type: "ratelimit",
    registry: "docker.io",
    limit: 100,
    remaining,
    windowSeconds: 21_600,
    source: "192.0.2.7",
  });

  test.each(["plain", "none"] as const)("are told when few: %s", (detail) => {
    const { feed, seen } = setUp([], detail);
    feed(limit(20));
    expect(seen.both).toBe("");
    feed(limit(19));
    expect(seen.err).toBe(
      "tpull: docker.io: 19 of 100 pulls in 6 h are left for 192.0.2.7\n",
    );
  });

  it("are no matter for --quiet", () => {
    const { feed, seen } = setUp([], "quiet");
    feed(limit(0));
    expect(seen.both).toBe("");
  });
});

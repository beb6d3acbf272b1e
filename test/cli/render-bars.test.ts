import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createBarsRenderer } from "#src/cli/render-bars.js";
import type { PullEvent } from "#src/events.js";
import { FakeTerminal } from "./fake-terminal.js";
import { digest, image, short, summary } from "./samples.js";

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Renderer, stdout and stderr all on one terminal, as a person has it. */
function setUp(images: string[], columns = 80, rows = 24) {
  const terminal = new FakeTerminal(columns, rows);
  let out = "";
  const output = {
    out: (text: string) => {
      out += text;
      terminal.write(text);
    },
    err: (text: string) => void terminal.write(text),
    pour: async () => undefined,
    failure: () => undefined,
  };
  terminal.write("$ tpull\n");
  const renderer = createBarsRenderer({
    images,
    output,
    stderr: terminal,
    now: Date.now,
  });
  const feed = (...events: PullEvent[]) => {
    for (const event of events) renderer.onEvent(event);
  };
  /** Lets time pass, so that the picture is drawn. */
  const wait = (milliseconds = 200) => vi.advanceTimersByTime(milliseconds);
  return { terminal, renderer, feed, wait, stdout: () => out };
}

const nginx = image("nginx", [
  ["n1", 10_000_000],
  ["n2", 20_000_000],
  ["n3", 30_000_000],
]);

const END = `Digest: ${digest("nginx")}
Status: Downloaded newer image for nginx:latest
docker.io/library/nginx:latest`;

describe("a pull", () => {
  it("is drawn from the first question to the last line", () => {
    const { terminal, feed, wait, stdout } = setUp(["nginx"]);
    feed(nginx.resolve());
    wait();
    expect(terminal.text()).toBe("$ tpull\nresolving nginx");

    feed(nginx.pulling(), nginx.layers(), nginx.layer(0, "exists"));
    feed(nginx.layer(1, "downloading"), nginx.progress(1, 0));
    wait(1000);
    feed(nginx.progress(1, 5_000_000));
    wait(0);
    feed(nginx.layer(2, "extracting"));
    wait(100);
    expect(terminal.text()).toBe(
      [
        "$ tpull",
        "latest: Pulling from library/nginx",
        `${short("n1")} Already exists`,
        `${short("n2")} downloading    [====>             ]  5.0/20.0 MB  4.55 MB/s     4s`,
        `${short("n3")} extracting                               30.0 MB`,
        "total        1/3 done       [============>     ] 35.0/50.0 MB  4.55 MB/s     4s",
      ].join("\n"),
    );

    feed(nginx.layer(1, "complete"), nginx.layer(2, "complete"));
    feed(nginx.result(), summary());
    expect(terminal.text()).toBe(
      [
        "$ tpull",
        "latest: Pulling from library/nginx",
        `${short("n1")} Already exists`,
        `${short("n2")} done                                     20.0 MB`,
        `${short("n3")} done                                     30.0 MB`,
        "total        3/3 done       [=================>] 50.0/50.0 MB",
        END,
      ].join("\n"),
    );
    expect(stdout()).toBe(`${END}\n`);
    expect(terminal.cursor.column).toBe(0);
  });

  it("leaves the terminal alone while there is nothing to show", () => {
    const { terminal, wait } = setUp(["nginx"]);
    const writes = terminal.writes.length;
    wait(1000);
    expect(terminal.writes).toHaveLength(writes);
  });

  it("stops drawing when it is over", () => {
    const { terminal, renderer, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers(), summary());
    const writes = terminal.writes.length;
    renderer.close();
    wait(5000);
    expect(terminal.writes).toHaveLength(writes);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("writes nothing while nothing changes", () => {
    const { terminal, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers());
    wait();
    const writes = terminal.writes.length;
    wait(5000);
    expect(terminal.writes).toHaveLength(writes);
  });

  it("tells notices and failures above the bars, results below", () => {
    const { terminal, feed, wait } = setUp(["nope", "nginx"]);
    feed(nginx.resolve(), nginx.pulling(), nginx.layers());
    wait();
    feed(image("nope").error("no \x1b[2Jtag"));
    feed({ type: "warning", code: "W1", message: "no owners" });
    wait();
    expect(terminal.text()).toMatch(
      /^\$ tpull\nlatest: .*\ntpull: nope: no \\x1b\[2Jtag \(NOT_FOUND\)\n {2}hint: .*\ntpull: warning: no owners \(W1\)\n\w{12} waiting/,
    );
    feed(nginx.result(), summary());
    expect(terminal.text().endsWith(END)).toBe(true);
  });

  it("that fails before it has layers leaves only the failure", () => {
    const { terminal, feed, wait } = setUp(["nope"]);
    feed(image("nope").resolve());
    wait();
    feed(image("nope").error(), summary());
    expect(terminal.text()).toBe(
      "$ tpull\ntpull: nope: manifest unknown (NOT_FOUND)\n  hint: Check the tag.",
    );
  });

  it("that fails as a whole says so below the bars", () => {
    const { terminal, renderer, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers());
    wait();
    renderer.failRun({ code: "DISK_FULL", message: "no room" });
    renderer.close();
    expect(terminal.text()).toMatch(
      /\ntotal +0\/3 done .*\ntpull: no room \(DISK_FULL\)$/,
    );
  });
});

describe("an interruption", () => {
  it("leaves the bars as they were, without rate, and no trace of ^C", () => {
    const { terminal, renderer, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers(), nginx.layer(0, "downloading"));
    feed(nginx.progress(0, 0));
    wait(1000);
    feed(nginx.progress(0, 5_000_000));
    wait();
    expect(terminal.text()).toContain("MB/s");
    terminal.write("^C");
    feed(nginx.error("stopped before it was done", "ABORTED"));
    renderer.failRun({ code: "ABORTED", message: "stopped" });
    renderer.close();
    expect(terminal.text()).toBe(
      [
        "$ tpull",
        `${short("n1")} downloading    [=========>        ]  5.0/10.0 MB`,
        `${short("n2")} waiting                                  20.0 MB`,
        `${short("n3")} waiting                                  30.0 MB`,
        "total        0/3 done       [=>                ]  5.0/60.0 MB",
      ].join("\n"),
    );
    expect(terminal.cursor.column).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no trace of ^C even if the picture stays the same", () => {
    const { terminal, renderer, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers());
    wait();
    terminal.write("^C");
    renderer.close();
    expect(terminal.text()).not.toContain("^C");
  });

  it("has no terminal mode to restore, since none is ever changed", () => {
    const { terminal, renderer, feed, wait } = setUp(["nginx"]);
    feed(nginx.resolve(), nginx.layers());
    wait();
    renderer.close();
    // FakeTerminal throws at anything but cursor up and erasing.
    expect(terminal.writes.join("")).not.toContain("\x1b[?");
  });
});

describe("127 layers on 24 lines", () => {
  const large = image(
    "large",
    Array.from({ length: 127 }, (_, i) => [`layer ${i}`, 1_000_000]),
  );

  function run(
    columns: number,
    rows: number,
    during?: (layer: number, terminal: FakeTerminal) => void,
  ) {
    const set = setUp(["large"], columns, rows);
    const { terminal, feed, wait } = set;
    feed(large.resolve(), large.pulling(), large.layers());
    for (let i = 0; i < 127; i++) {
      feed(large.layer(i, "downloading"), large.progress(i, 300_000));
      wait(100);
      feed(large.progress(i, 1_000_000), large.layer(i, "extracting"));
      wait(100);
      feed(large.layer(i, "complete"));
      during?.(i, terminal);
      expect(terminal.cursor.row).toBeLessThan(terminal.rows);
    }
    feed(large.result(), summary());
    return set;
  }

  it("never break a line and leave one line in the end", () => {
    const { terminal } = run(80, 24);
    expect(terminal.wraps).toBe(0);
    expect(terminal.text().split("\n")).toEqual([
      "$ tpull",
      "latest: Pulling from library/large",
      "total        127/127 done   [=================>]   127/127 MB",
      `Digest: ${digest("large")}`,
      "Status: Downloaded newer image for large:latest",
      "docker.io/library/large:latest",
    ]);
  });

  it("show as many as fit, with the total below them", () => {
    let screen: string[] = [];
    run(80, 24, (i, terminal) => {
      if (i === 40) screen = terminal.screen();
    });
    const lines = screen.filter((line) => line !== "");
    expect(lines.filter((line) => /^[0-9a-f]{12} /.test(line))).toHaveLength(
      21,
    );
    expect(lines.at(-1)).toMatch(/^total +40\/127 done /);
  });

  it.each([
    [60, 24],
    [40, 10],
    [20, 4],
    [10, 2],
  ])("fit %i columns and %i rows", (columns, rows) => {
    const { terminal } = run(columns, rows, (_, terminal) => {
      for (const line of terminal.screen()) {
        if (/^(?:[0-9a-f]{12}|total) /.test(line)) {
          expect(line.length).toBeLessThan(columns);
        }
      }
    });
    expect(terminal.text()).toMatch(/\ntotal[^\n]*\nDigest: /);
  });
});

describe("a terminal that changes its size", () => {
  function drawn(columns: number, rows: number) {
    const set = setUp(["nginx"], columns, rows);
    set.feed(nginx.resolve(), nginx.layers());
    for (const index of [0, 1, 2]) {
      set.feed(nginx.layer(index, "downloading"));
      set.feed(nginx.progress(index, 0));
    }
    set.wait(1000);
    for (const index of [0, 1, 2]) set.feed(nginx.progress(index, 5_000_000));
    set.wait();
    return set;
  }

  it.each([
    [80, 40],
    [80, 60],
    [120, 45],
    [60, 100],
  ])("from %i to %i columns shows one whole picture", (before, after) => {
    const { terminal, wait } = drawn(before, 24);
    terminal.resize(after, 24);
    wait();
    const lines = terminal.text().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[0]).toBe("$ tpull");
    for (const [index, name] of ["n1", "n2", "n3"].entries()) {
      expect(lines[index + 1]).toContain(`${short(name)} downloading`);
      expect(lines[index + 1]?.length).toBeLessThan(after);
    }
    expect(lines[4]).toMatch(/^total +0\/3 done/);
  });

  it("keeps to the last lines where hardly any fit", () => {
    const { terminal, feed, wait } = setUp(["nginx"], 80, 2);
    feed(nginx.resolve(), nginx.layers());
    feed({ type: "wait", image: "nginx", reason: "another tpull" });
    for (const bytes of [1e6, 2e6, 3e6]) {
      feed(nginx.progress(0, bytes));
      feed({ type: "wait", image: "nginx", reason: `${bytes}` });
      wait();
    }
    expect(terminal.text()).toBe("$ tpull\nwaiting: 3000000");
  });

  it("shows fewer layers where there are fewer rows", () => {
    const { terminal, wait } = drawn(80, 24);
    terminal.resize(80, 5);
    wait();
    const lines = terminal.screen().filter((line) => line !== "");
    expect(lines.slice(-3).map((line) => line.slice(0, 12))).toEqual([
      short("n1"),
      short("n2"),
      "total       ",
    ]);
  });
});

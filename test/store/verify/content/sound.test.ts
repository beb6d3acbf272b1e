// What tpull unpacks is what a check expects, whatever the archive is like.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  deepLayer,
  GNU,
  HARDLINKS,
  MODES,
  NAMES,
  OPAQUE_ROOT,
  PAX,
  PLAIN,
  SPECIAL_FILES,
  WHITEOUTS,
  XATTRS,
  type LayerMembers,
} from "../../../helpers/images/odd-layers.js";
import {
  archive,
  file,
  hardlink,
  paxGlobal,
  TYPE,
  type Member,
} from "../../../helpers/tar-writer.js";
import {
  type Layer,
  LINUX,
  ROOT,
  scratch,
  unpacked,
} from "../../ingest/support/unpacking.js";
import { runOk } from "../../../helpers/run.js";
import { problems } from "../support/checking.js";

const ODD: Readonly<Record<string, LayerMembers>> = {
  "plain files": PLAIN,
  "hard links": HARDLINKS[0]!,
  "hard links taken apart": HARDLINKS[1]!,
  attributes: XATTRS,
  "special files": SPECIAL_FILES,
  "files that are hidden above": WHITEOUTS[0]!,
  whiteouts: WHITEOUTS[1]!,
  "files after whiteouts": WHITEOUTS[2]!,
  "a root that hides all below": OPAQUE_ROOT,
  "pax headers": PAX,
  "GNU headers": GNU,
  modes: MODES,
  names: NAMES,
  "a deep layer's member": deepLayer(10),
};

const END = Buffer.alloc(1024);

describe.skipIf(!LINUX)("a layer that was unpacked", () => {
  it.each(Object.entries(ODD))("has no problems: %s", async (_, members) => {
    const layer = await unpacked(members);
    expect(await problems(layer)).toEqual([]);
    await open(layer);
  });

  it.each(Object.entries(ODD))(
    "has no problems without root's rights: %s",
    async (_, members) => {
      const layer = await unpacked(members, { privileged: false });
      expect(await problems(layer, { unprivileged: true })).toEqual([]);
      await open(layer);
    },
  );

  it.each([
    ["zeros", Buffer.alloc(20_000)],
    ["garbage", Buffer.concat([END, Buffer.alloc(7_001, "garbage")])],
    ["nothing", ""],
  ])("has no problems with %s behind the archive", async (_, end) => {
    const layer = await unpacked(archive(PLAIN, { end }), { cut: 1_000 });
    expect(await problems(layer)).toEqual([]);
  });

  it("has no problems when it is empty", async () => {
    expect(await problems(await unpacked(Buffer.alloc(0)))).toEqual([]);
    expect(await problems(await unpacked([]))).toEqual([]);
  });

  it("has no problems when members replace each other, link and lead elsewhere", async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(MEMBER, { maxLength: 14 }), async (members) => {
        try {
          const layer = await unpacked(members).catch(refused);
          if (layer === undefined) return;
          accepted += 1;
          const found = await problems(layer);
          if (!ROOT) await open(layer);
          expect(found).toEqual([]);
        } finally {
          await scratch.close();
        }
      }),
      { numRuns: 400 },
    );
    // Most sequences are refused at some member, and say nothing.
    expect(accepted).toBeGreaterThan(40);
  });
});

/** Lets its owner remove what the archive has closed to them. */
async function open({ diffDirectory }: Layer): Promise<void> {
  await runOk("chmod", ["-R", "u+rwX", diffDirectory]);
}

function refused(error: { code?: string }): undefined {
  if (error.code !== "LAYER_INVALID") throw error;
}

/** Few names, so that members meet. */
const PART = fc.constantFrom("a", "b", "c", "d");
const NAME = fc
  .array(PART, { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const TARGET = fc.oneof(
  NAME,
  NAME.map((name) => `/${name}`),
  NAME.map((name) => `../${name}`),
);
const EXTRA = fc.record({
  mode: fc.constantFrom(ROOT ? 0 : 0o700, 0o644, 0o755, 0o2755, 0o4711, 0o1777),
  uid: fc.constantFrom(0, 0, 7),
  gid: fc.constantFrom(0, 0, 8),
  mtime: fc.constantFrom(0, 1_700_000_000, 1_600_000_000),
  pax: fc.constantFrom(
    {},
    {},
    { "SCHILY.xattr.user.x": "y" },
    { mtime: "1500000000.123456789" },
    { mtime: "-3.5" },
  ),
});

const MEMBER: fc.Arbitrary<Member | Buffer> = fc
  .tuple(
    NAME,
    TARGET,
    EXTRA,
    fc.constantFrom("", "", "content", "other content"),
    fc.constantFrom(
      "file",
      "file",
      "directory",
      "directory",
      "symlink",
      "hardlink",
      "whiteout",
      "opaque",
      "fifo",
      "device",
      "root",
      "global",
    ),
    fc.constantFrom("", "", "./", "/"),
  )
  .map(([name, target, extra, data, kind, prefix]): Member | Buffer => {
    const at = `${prefix}${name}`;
    switch (kind) {
      case "file":
        return file(at, data, extra);
      case "directory":
        return { ...extra, name: `${at}/`, type: TYPE.directory };
      case "symlink":
        return { ...extra, name: at, type: TYPE.symlink, linkname: target };
      case "hardlink":
        return hardlink(at, target.replace(/^[./]+/, ""), extra);
      case "whiteout":
        return file(at.replace(/([^/]+)$/, ".wh.$1"), data, extra);
      case "opaque":
        return file(at.replace(/[^/]+$/, ".wh..wh..opq"), "");
      case "fifo":
        return { ...extra, name: at, type: TYPE.fifo };
      case "device":
        return {
          ...extra,
          name: at,
          type: ROOT ? TYPE.char : TYPE.fifo,
          devmajor: 1,
          devminor: 3,
        };
      case "root":
        return { ...extra, name: "./", type: TYPE.directory };
      default:
        return paxGlobal({ comment: data });
    }
  });

/** Extended attributes, read by python3: Node cannot. */
import { beforeEach, expect, it } from "vitest";
import {
  directory,
  file,
  hardlink,
  type Member,
  symlink,
  TYPE,
} from "../../helpers/tar-writer.js";
import { describeWithPeers } from "../../helpers/peers.js";
import { readTrees, type Tree } from "../../helpers/tree.js";
import { refusal, unpacked } from "./support/unpacking.js";

/** `VFS_CAP_REVISION_2`, effective, with CAP_NET_BIND_SERVICE permitted. */
const CAPABILITY = Buffer.from(
  "0100000200040000000000000000000000000000",
  "hex",
);
/** user::rwx, group::r-x, other::---, for what is made in a directory. */
const DEFAULT_ACL = Buffer.from(
  "0200000001000700ffffffff04000500ffffffff20000000ffffffff",
  "hex",
);

const attributes = (list: Record<string, Buffer | string>) => ({
  pax: Object.fromEntries(
    Object.entries(list).map(([name, value]) => [
      `SCHILY.xattr.${name}`,
      value,
    ]),
  ),
});

describeWithPeers("extended attributes", ["python3"], { root: true }, () => {
  let tree: Tree;
  const read = async (members: readonly Member[]) => {
    const layer = await unpacked(members);
    [tree] = (await readTrees([layer.diffDirectory])) as [Tree];
    return layer;
  };
  const of = (path: string) => tree.get(path)?.xattrs;
  beforeEach(() => {
    tree = new Map();
  });

  it("are set on everything, in every namespace, byte for byte", async () => {
    const bytes = Buffer.from([0, 1, 10, 61, 255]);
    await read([
      file(
        "f",
        "x",
        attributes({
          "user.b": bytes,
          "trusted.t": "1",
          "security.capability": CAPABILITY,
        }),
      ),
      directory(
        "d",
        attributes({ "user.grüße": "ä\n=b", "trusted.overlay.opaque": "y" }),
      ),
      symlink("s", "f", attributes({ "trusted.t": "link" })),
      { name: "p", type: TYPE.fifo, ...attributes({ "trusted.t": "fifo" }) },
    ]);
    expect(of("f")).toEqual({
      "user.b": "00010a3dff",
      "trusted.t": "31",
      "security.capability": CAPABILITY.toString("hex"),
    });
    expect(of("d")).toEqual({
      "user.grüße": Buffer.from("ä\n=b").toString("hex"),
      "trusted.overlay.opaque": "79",
    });
    expect(of("s")).toEqual({
      "trusted.t": Buffer.from("link").toString("hex"),
    });
    expect(of("p")).toEqual({
      "trusted.t": Buffer.from("fifo").toString("hex"),
    });
  });

  it("file capabilities survive the owner and the mode, and are lost to a hard link without them", async () => {
    const capable = {
      mode: 0o755,
      uid: 5,
      ...attributes({ "security.capability": CAPABILITY }),
    };
    await read([
      file("kept", "x", capable),
      hardlink("kept2", "kept", capable),
      file("lost", "x", capable),
      hardlink("lost2", "lost", { mode: 0o755 }),
    ]);
    expect(of("kept2")).toHaveProperty(["security.capability"]);
    expect(of("lost")).toEqual({});
  });

  it("opaque marks are on their directory, also on the layer's root and behind links", async () => {
    await read([
      file(".wh..wh..opq", ""),
      file("new/.wh..wh..opq", ""),
      directory("r"),
      symlink("s", "/r"),
      file("s/.wh..wh..opq", ""),
    ]);
    for (const path of [".", "new", "r"])
      expect(of(path), path).toEqual({ "trusted.overlay.opaque": "79" });
  });

  it("that the file cannot have are counted, not fatal", async () => {
    const layer = await read([
      symlink("s", "x", attributes({ "user.u": "1" })),
      {
        name: "p",
        type: TYPE.fifo,
        ...attributes({ "user.u": "1", "trusted.t": "1" }),
      },
      file("f", "x", attributes({ "nonsense.n": "1" })),
    ]);
    expect(layer.result.warnings).toEqual([
      { kind: "xattr", count: 3, example: '"s"' },
    ]);
    expect([of("s"), of("p"), of("f")]).toEqual([
      {},
      { "trusted.t": "31" },
      {},
    ]);
  });

  it("a default ACL does not change the modes of what is made below it", async () => {
    await read([
      directory("d", attributes({ "system.posix_acl_default": DEFAULT_ACL })),
      file("d/f", "x", { mode: 0o646 }),
      directory("d/e", { mode: 0o757 }),
      file("d/i/f", "x", { mode: 0o604 }),
    ]);
    expect(["d/f", "d/e", "d/i/f"].map((path) => tree.get(path)?.mode)).toEqual(
      ["0646", "0757", "0604"],
    );
  });

  it.each<[string, Record<string, Buffer | string>, RegExp]>([
    ["an empty name", { "": "1" }, /cannot be made \(setxattr "": ERANGE\)/],
    ["a name of 300 bytes", { [`user.${"n".repeat(300)}`]: "1" }, /ERANGE/],
    [
      "a value of 70,000 bytes",
      { "user.v": "1".repeat(70_000) },
      /cannot be made \(setxattr "user.v": E2BIG\)/,
    ],
    ["an ACL that is none", { "system.posix_acl_access": "bad" }, /EINVAL/],
  ])("%s is refused", async (_, list, why) => {
    const said = await refusal([file("a", "x", attributes(list))]);
    expect(said).toMatch(/^LAYER_INVALID: member "a": /);
    expect(said).toMatch(why);
  });
});

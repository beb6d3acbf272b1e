/** Extended attributes of a file against those in its archive. */
import { cString } from "../../ingest/syscall-failure.js";
import { errnoName, lgetxattr, llistxattr } from "../../native/libc.js";
import type { ExpectedNode } from "./expected-node.js";
import { OPAQUE } from "./expected-tree.js";

/** What decides which attributes there can be, and which of them can be seen. */
export interface AttributeRules {
  /** `trusted.*` is shown to this process. */
  readonly seesTrusted: boolean;
  /** So are the marks of directories that hide what is below, in whatever name space they are here. */
  readonly seesMarks: boolean;
  /** The layer was unpacked without the rights that some attributes need. */
  readonly unprivileged: boolean;
  /** The layer was not unpacked but made where it lies, by a build. */
  readonly inPlace: boolean;
}

/** Set by the system itself, on whatever it likes. */
const SYSTEMS_OWN =
  /^security\.(?:selinux|apparmor|ima|evm|SMACK64\w*)$|^system\.nfs4_acl$/;
/** Left by overlayfs on directories of what was mounted to be written to, as dockerd mounts a top layer to save it. */
const BOOKKEEPING = /^(?:trusted|user)\.overlay\.(?!opaque$)/;
const USER_OPAQUE = "user.overlay.opaque";
const ACCESS_ACL = "system.posix_acl_access";
export const DEFAULT_ACL = "system.posix_acl_default";

const LIST_BYTES = 64 * 1024; // what Linux allows
const VALUE_BYTES = 64 * 1024;

/** Reads attributes, with buffers that are used again. */
export class AttributeReader {
  readonly #list = Buffer.from(new ArrayBuffer(LIST_BYTES));
  readonly #value = Buffer.from(new ArrayBuffer(VALUE_BYTES));

  /** Names, binary; none where they cannot be read. @param path ends in NUL */
  names(path: Buffer): string[] {
    const length = llistxattr(path, this.#list);
    if (length <= 0) return [];
    return this.#list.toString("latin1", 0, length - 1).split("\0");
  }

  /** The value, binary; or the name of the errno, with `failed`. */
  value(path: Buffer, name: string): { value: string } | { failed: string } {
    const length = lgetxattr(path, cString(name), this.#value);
    return length < 0
      ? { failed: errnoName(length) }
      : { value: this.#value.toString("latin1", 0, length) };
  }
}

export interface Surroundings {
  /** It is the layer's `diff` directory itself. */
  readonly isRoot: boolean;
  /** The directory it is in hands an ACL down. */
  readonly inheritsAcl: boolean;
}

/**
 * Says what is different, one sentence each.
 * @param path of the file, bytes ending in NUL
 */
export function compareAttributes(
  reader: AttributeReader,
  path: Buffer,
  node: ExpectedNode,
  rules: AttributeRules,
  { isRoot, inheritsAcl }: Surroundings,
): string[] {
  const found = reader.names(path);
  if (found.length === 0 && node.xattrs === undefined) return [];
  const differences: string[] = [];
  // In a user namespace they take another form, and stay where others lose them.
  const ignored = (name: string): boolean =>
    SYSTEMS_OWN.test(name) ||
    (rules.unprivileged && name.startsWith("security."));
  for (const [name, wanted] of node.xattrs ?? []) {
    if (ignored(name)) continue;
    if (name === OPAQUE) {
      if (!isOpaque(reader, path, found, wanted, rules)) {
        differences.push("the mark is lost that hides what is below it");
      }
      continue;
    }
    const is = reader.value(path, name);
    if ("value" in is) {
      if (!isSame(name, is.value, wanted)) {
        differences.push(`the attribute ${name} has another value`);
      }
    } else if (is.failed === "ENODATA" && !mayLack(name, node, rules)) {
      differences.push(`the attribute ${name} is lost`);
    }
  }
  for (const name of found) {
    if (node.xattrs?.has(name) || ignored(name)) continue;
    if (name === USER_OPAQUE && node.xattrs?.has(OPAQUE)) continue;
    const isDirectory = node.kind === "directory";
    if (BOOKKEEPING.test(name) && (isDirectory || rules.inPlace)) continue;
    const isAcl = name === ACCESS_ACL || name === DEFAULT_ACL;
    if (isAcl && (inheritsAcl || isRoot)) continue;
    // A build's archive lists capabilities only.
    if (rules.inPlace && name !== OPAQUE && !name.startsWith("security.")) {
      continue;
    }
    differences.push(
      `it has an attribute ${name}, which is not in the archive`,
    );
  }
  return differences;
}

function isOpaque(
  reader: AttributeReader,
  path: Buffer,
  found: readonly string[],
  wanted: string,
  { seesMarks }: AttributeRules,
): boolean {
  const name = found.includes(OPAQUE) ? OPAQUE : USER_OPAQUE;
  if (!found.includes(name)) return !seesMarks;
  const is = reader.value(path, name);
  return "value" in is && is.value === wanted;
}

/** Whether whoever unpacked the layer may have been unable to set the attribute. */
function mayLack(
  name: string,
  { kind }: ExpectedNode,
  { seesTrusted, unprivileged }: AttributeRules,
): boolean {
  if (name.startsWith("trusted.")) return unprivileged || !seesTrusted;
  // An invalid ACL, or one that says no more than the mode does.
  if (name.startsWith("system.")) return true;
  return kind !== "file" && kind !== "directory" && name.startsWith("user.");
}

/** An ACL's entries for owner, group (or mask) and others follow the mode. */
function isSame(name: string, value: string, wanted: string): boolean {
  if (value === wanted) return true;
  return name === ACCESS_ACL && withoutMode(value) === withoutMode(wanted);
}

const ACL_HEADER_BYTES = 4;
const ACL_ENTRY_BYTES = 8;
const ACL_TAG = {
  userObject: 0x01,
  groupObject: 0x04,
  mask: 0x10,
  other: 0x20,
};

function withoutMode(value: string): string {
  const acl = Buffer.from(value, "latin1");
  const entries: { tag: number; at: number }[] = [];
  for (
    let at = ACL_HEADER_BYTES;
    at + ACL_ENTRY_BYTES <= acl.length;
    at += ACL_ENTRY_BYTES
  ) {
    entries.push({ tag: acl.readUInt16LE(at), at });
  }
  const hasMask = entries.some(({ tag }) => tag === ACL_TAG.mask);
  const group = hasMask ? ACL_TAG.mask : ACL_TAG.groupObject;
  for (const { tag, at } of entries) {
    if ([ACL_TAG.userObject, group, ACL_TAG.other].includes(tag)) {
      acl.writeUInt16LE(0, at + 2);
    }
  }
  return acl.toString("latin1");
}

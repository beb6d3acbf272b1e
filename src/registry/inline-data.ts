/** Content that a descriptor carries in itself (OCI image spec, "Embedded Content"). */
import { digestOf } from "../../store/digest.js";
import type { Descriptor } from "./manifest.js";

/**
 * The inlined bytes, if there are any and size and digest agree; else
 * `undefined`, and the content must be fetched.
 */
export function inlineData({
  data,
  size,
  digest,
}: Pick<Descriptor, "data" | "size" | "digest">): Buffer | undefined {
  if (data === undefined) return undefined;
  const bytes = Buffer.from(data, "base64");
  if (bytes.length !== size || digestOf(bytes) !== digest) return undefined;
  return bytes;
}

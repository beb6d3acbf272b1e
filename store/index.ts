export { TpullError, isTpullError } from "./errors.js";
export type { ErrorDetails } from "./errors.js";
export type { CacheId, ChainId, DiffId, Digest, ImageId } from "./digest.js";
export {
  chainId,
  chainIds,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  parseDiffId,
  shortId,
} from "./digest.js";

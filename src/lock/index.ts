export { checkLock } from "./check-lock.js";
export type {
  CheckedImage,
  CheckLockOptions,
  LockCheck,
} from "./check-lock.js";
export { lockChanges } from "./changed.js";
export type { LockChange } from "./changed.js";
export { formatLock, LOCK_VERSION } from "./format.js";
export type { Lock, LockedImage, LockedPlatform } from "./format.js";
export type { ListDifference, PlatformsDifference } from "./against-list.js";
export { lockInPlace, readLock, writeLock } from "./lock-file.js";
export { lockImages } from "./lock-images.js";
export type { LockOptions, LockResult } from "./lock-images.js";
export type { PlatformChange } from "./platform-changes.js";

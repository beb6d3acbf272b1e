/** Credentials where docker and podman keep them. */
export { createCredentialSource } from "./source.js";
export type { CredentialSourceOptions, CredentialWarning } from "./source.js";
export type { Environment } from "./files.js";

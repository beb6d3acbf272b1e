/** The version in package.json, read when somebody asks for it. */
import { readFileSync } from "node:fs";

/** Where package.json lies seen from `dist/src/cli/`. */
const PACKAGE_JSON = new URL("../../../package.json", import.meta.url);

export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(PACKAGE_JSON, "utf8"));
  return (manifest as { version: string }).version;
}

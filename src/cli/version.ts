/** The version in package.json, read when somebody asks for it. */
import { createRequire } from "node:module";

export function readVersion(): string {
  // By the package's own name: the bundled command line lies elsewhere than this file.
  const manifest: unknown = createRequire(import.meta.url)(
    "tpull/package.json",
  );
  return (manifest as { version: string }).version;
}

// The command line as few files. Node 20 spends half a millisecond on each
// module it loads, a tenth of a second for a pull; joined, that is nearly gone.
// The library (dist/src, dist/store) stays file by file, for the user's own
// bundler. `worker` must keep its name and lie beside the chunk that starts it
// (store/ingest/pool.ts names it relative to itself). koffi finds its native
// part beside its own files and stays outside.
import { chmodSync } from "node:fs";
import { rolldown } from "rolldown";

const bundle = await rolldown({
  input: {
    tpull: "dist/bin/tpull.js",
    start: "dist/bin/start.js",
    worker: "dist/store/ingest/worker.js",
  },
  platform: "node",
  external: [/^koffi$/],
  logLevel: "warn",
});
await bundle.write({
  dir: "dist/cli",
  format: "esm",
  cleanDir: true,
  // Comments and spaces go, names stay: a stack trace can still be read.
  minify: { codegen: true, compress: false, mangle: false },
});
await bundle.close();
// npm makes it a command once, when it is installed; a rebuild must not undo that.
chmodSync("dist/cli/tpull.js", 0o755);

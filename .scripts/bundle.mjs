// The command line as few files. Node 20 spends half a millisecond on each
// module it loads, a tenth of a second for a pull; joined, that is nearly gone.
// The library (dist/src, dist/store) stays file by file, for the user's own
// bundler. The workers must keep their names and lie beside the chunks that
// start them, which name them relative to themselves. koffi finds its native part
// beside its own files and stays outside.
import { chmodSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const built = (path) => join(import.meta.dirname, "../dist", path);
const input = {
  tpull: "dist/bin/tpull.js",
  start: "dist/bin/start.js",
  "rebuild-worker": "dist/store/rebuild/rebuild-worker.js",
  "password-worker": "dist/src/serve/password-worker.js",
  "yaml-worker": "dist/src/lists/yaml-worker.js",
};

// Left to itself the bundler cuts a chunk for each set of commands that share
// code, some forty for a pull. So the chunks are named by who needs them: every
// command, every pull. What is imported on demand, and not by each pull, stays
// apart.
const EVERY_COMMAND = [
  "src/cli/process.js",
  "src/cli/context.js",
  "src/cli/output.js",
].map(built);
const EVERY_PULL = [
  "src/cli/run-command.js",
  "src/cli/render-plain.js",
  "src/pull.js",
  "src/registry/undici-agent.js",
].map(built);
const chunkOf = new Map();

/** Names the chunk of each module, once all modules are known. */
const nameChunks = {
  name: "name-chunks",
  buildEnd() {
    const closure = (roots) => {
      const seen = new Set(roots);
      for (const id of seen) {
        for (const next of this.getModuleInfo(id)?.importedIds ?? []) {
          seen.add(next);
        }
      }
      return seen;
    };
    const command = closure(EVERY_COMMAND);
    const pull = closure(EVERY_PULL);
    for (const id of pull) chunkOf.set(id, "pull");
    for (const id of command) chunkOf.set(id, "command");
  },
};

// src/ imports from the store's public list, which leads to all of the store,
// what repairs and checks it included. Bound to the files themselves, a pull
// takes in only what it uses: half as many.
const PUBLIC = built("store/index.js");
const publicNames = new Map();
for (const [, names, file] of readFileSync(PUBLIC, "utf8").matchAll(
  /^export \{([^}]*)\} from "(.*?)";/gm,
)) {
  for (const [own, as] of namesIn(names)) publicNames.set(as, [own, file]);
}

function namesIn(list) {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => name.split(" as "))
    .map(([own, as = own]) => [own, as]);
}

const bindPublicNames = {
  name: "bind-public-names",
  transform(code, id) {
    if (id === PUBLIC || !id.startsWith(built(""))) return null;
    return code.replace(
      /^(import|export) \{([^}]*)\} from "((?:\.\.?\/)+(?:store\/)?index\.js)";/gm,
      (whole, word, names, from) => {
        if (join(dirname(id), from) !== PUBLIC) return whole;
        return namesIn(names)
          .map(([name, as]) => {
            const [own, file] = publicNames.get(name);
            const path = join(dirname(PUBLIC), file);
            return `${word} { ${own} as ${as} } from ${JSON.stringify(path)};`;
          })
          .join(" ");
      },
    );
  },
};

// The threads that unpack are started for every pull, several of them: as
// CommonJS in one file each takes a sixth less to begin with.
const WORKER_FILE = "worker.cjs";
const nameWorker = {
  name: "name-worker",
  transform: (code, id) =>
    id === built("store/ingest/threads.js")
      ? code.replace('"./worker.js"', JSON.stringify(`./${WORKER_FILE}`))
      : null,
};
// Functions and classes keep their names: a stack trace can still be read.
const keepNames = { function: true, class: true };
const minify = {
  codegen: true,
  compress: { keepNames },
  mangle: { keepNames },
};

const bundle = await rolldown({
  input,
  platform: "node",
  external: [/^koffi$/],
  logLevel: "warn",
  // Imports on demand of what every pull has are in its chunk anyway.
  checks: { ineffectiveDynamicImport: false },
  preserveEntrySignatures: false,
  plugins: [bindPublicNames, nameWorker, nameChunks],
});
await bundle.write({
  dir: "dist/cli",
  format: "esm",
  cleanDir: true,
  codeSplitting: {
    // Without this a chunk takes in all that its modules import.
    includeDependenciesRecursively: false,
    groups: [
      { debugName: "whose", name: (id) => chunkOf.get(id) ?? null, test: /./ },
    ],
  },
  minify,
});
await bundle.close();

const worker = await rolldown({
  input: { worker: "dist/store/ingest/worker.js" },
  platform: "node",
  external: [/^koffi$/],
  logLevel: "warn",
});
await worker.write({
  dir: "dist/cli",
  format: "cjs",
  entryFileNames: WORKER_FILE,
  chunkFileNames: "[name]-[hash].cjs",
  minify,
});
await worker.close();
// npm makes it a command once, when it is installed; a rebuild must not undo that.
chmodSync("dist/cli/tpull.js", 0o755);

// The command line as few files. Node 20 spends half a millisecond on each
// module it loads, a tenth of a second for a pull; joined, that is nearly gone.
// The library (dist/src, dist/store) stays file by file, for the user's own
// bundler. `worker` must keep its name and lie beside the chunk that starts it
// (store/ingest/pool.ts names it relative to itself), as must the other two
// workers beside the chunks that start them. koffi finds its native
// part beside its own files and stays outside.
import { chmodSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const built = (path) => join(import.meta.dirname, "../dist", path);
const input = {
  tpull: "dist/bin/tpull.js",
  start: "dist/bin/start.js",
  worker: "dist/store/ingest/worker.js",
  "rebuild-worker": "dist/store/rebuild/rebuild-worker.js",
  "password-worker": "dist/src/serve/password-worker.js",
};

// Left to itself the bundler cuts a chunk for each set of commands that share
// code, some forty for a pull. So the chunks are named by who needs them: every
// command; a worker and the main thread; every pull. What is imported on
// demand, and not by each pull, stays apart.
const EVERY_COMMAND = [
  "src/cli/process.js",
  "src/cli/context.js",
  "src/cli/output.js",
].map(built);
const WORKER = [built("store/ingest/worker.js")];
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
    const worker = closure(WORKER);
    const pull = closure(EVERY_PULL);
    for (const id of new Set([...command, ...pull])) {
      if (WORKER.includes(id)) continue;
      const [alone, shared] = command.has(id)
        ? ["command", "common"]
        : ["pull", "layer"];
      chunkOf.set(id, worker.has(id) ? shared : alone);
    }
    // Other threads need some of it, too: in one piece all the same.
    for (const id of worker) {
      if (!WORKER.includes(id) && !chunkOf.has(id)) chunkOf.set(id, "unpack");
    }
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

const bundle = await rolldown({
  input,
  platform: "node",
  external: [/^koffi$/],
  logLevel: "warn",
  // Imports on demand of what every pull has are in its chunk anyway.
  checks: { ineffectiveDynamicImport: false },
  preserveEntrySignatures: false,
  plugins: [bindPublicNames, nameChunks],
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
  // Comments and spaces go, names stay: a stack trace can still be read.
  minify: { codegen: true, compress: false, mangle: false },
});
await bundle.close();
// npm makes it a command once, when it is installed; a rebuild must not undo that.
chmodSync("dist/cli/tpull.js", 0o755);

// The command line as few files. Node 20 spends half a millisecond on each
// module it loads, a tenth of a second for a pull; joined, that is nearly gone.
// As CommonJS they can be run by `bin/chunks.ts`, which keeps what V8 compiled of
// them. The library (dist/src, dist/store) stays file by file, for the user's own
// bundler. koffi finds its native part beside its own files and stays outside.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const built = (path) => join(import.meta.dirname, "../dist", path);
// What can be started: commands, and the files that threads begin with.
const commands = {
  tpull: "dist/bin/tpull.js",
  start: "dist/bin/start.js",
};
const threads = {
  worker: "dist/bin/unpack-worker.js",
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

// Threads are named relative to the module that starts them.
const nameThreads = {
  name: "name-threads",
  transform: (code) =>
    code.replace(/new URL\("\.\/([a-z-]+)\.js"/g, (whole, name) =>
      name in threads ? `new URL("./${name}.cjs"` : whole,
    ),
};
// The chunks run inside it, so to them it is a module from outside.
const CHUNKS = built("bin/chunks.js");
const keepChunksOut = {
  name: "keep-chunks-out",
  resolveId: (source, importer) =>
    importer !== undefined && join(dirname(importer), source) === CHUNKS
      ? { id: "tpull:chunks", external: true }
      : null,
};
// undici loads node:http2 for connections that it is never asked for here; that
// is a fiftieth of an up-to-date check.
const ON_DEMAND = "\0client-h2-on-demand.cjs";
const HTTP2 = join(
  import.meta.dirname,
  "../node_modules/undici/lib/dispatcher/client-h2.js",
);
const loadHttp2OnDemand = {
  name: "load-http2-on-demand",
  resolveId: (source, importer) =>
    importer !== ON_DEMAND && join(dirname(importer ?? ""), source) === HTTP2
      ? ON_DEMAND
      : null,
  load: (id) =>
    id === ON_DEMAND
      ? `module.exports = (...about) => require(${JSON.stringify(HTTP2)})(...about);`
      : null,
};
// Functions and classes keep their names: a stack trace can still be read.
const keepNames = { function: true, class: true };
const minify = {
  codegen: true,
  compress: { keepNames },
  mangle: { keepNames },
};
const common = {
  platform: "node",
  external: [/^koffi$/],
  logLevel: "warn",
  // Imports on demand of what every pull has are in its chunk anyway.
  checks: { ineffectiveDynamicImport: false },
};
const output = {
  dir: "dist/cli",
  format: "cjs",
  entryFileNames: "[name]-main-[hash].cjs",
  chunkFileNames: "[name]-[hash].cjs",
  minify,
};
const { worker, ...rest } = threads;

const bundle = await rolldown({
  ...common,
  input: { ...commands, ...rest },
  preserveEntrySignatures: false,
  plugins: [
    bindPublicNames,
    nameThreads,
    keepChunksOut,
    loadHttp2OnDemand,
    nameChunks,
  ],
});
const { output: written } = await bundle.write({
  ...output,
  cleanDir: true,
  codeSplitting: {
    // Without this a chunk takes in all that its modules import.
    includeDependenciesRecursively: false,
    groups: [
      { debugName: "whose", name: (id) => chunkOf.get(id) ?? null, test: /./ },
    ],
  },
});
await bundle.close();

// Several of these threads are started for every pull: all they need is one file.
const unpacking = await rolldown({
  ...common,
  input: { worker },
  plugins: [keepChunksOut],
});
written.push(...(await unpacking.write(output)).output);
await unpacking.close();

// What is started is the runner of chunks with the name of the first one.
const runner = await rolldown({ ...common, input: CHUNKS });
const { code } = (await runner.generate({ ...output, exports: "named" }))
  .output[0];
await runner.close();
for (const name of Object.keys({ ...commands, ...threads })) {
  const { fileName } = written.find(
    (chunk) => chunk.isEntry && chunk.name === name,
  );
  const start = `exports.runChunk(__dirname+${JSON.stringify(`/${fileName}`)});\n`;
  writeFileSync(
    `dist/cli/${name}.cjs`,
    `#!/usr/bin/env node\n${code}\n${start}`,
    // npm makes it a command once, when it is installed; a rebuild must not undo that.
    { mode: name in commands ? 0o755 : 0o644 },
  );
}

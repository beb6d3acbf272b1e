// Runs before `npm start`, `npm test` and `npm run bench`: on a fresh clone it
// installs what package-lock.json names and compiles; on a clone that is up to
// date it does neither, so that repeated runs start at once.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const mtime = (path) =>
  existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0;

function newestSource(folder) {
  let newest = 0;
  for (const entry of readdirSync(join(root, folder), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const path = join(entry.parentPath, entry.name);
    newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const wanted = Math.max(mtime("package-lock.json"), mtime("package.json"));
if (mtime("node_modules/.package-lock.json") < wanted) {
  // No package here needs its install script: native parts come prebuilt.
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["ci", "--include=dev", "--ignore-scripts", ...quiet]);
}

const sources = Math.max(
  ...["bin", "src", "store"].map(newestSource),
  mtime("tsconfig.json"),
  mtime("package.json"),
  mtime(".scripts/bundle.mjs"),
);
if (mtime("dist/.built") < sources) {
  run("npm", ["run", "--silent", "build"]);
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(root, "dist/.built"), "");
}

import { defineConfig } from "vitest/config";

// The tests run the built files in dist/ (through the "imports" of
// package.json), because the unpack workers are real files that a worker
// thread loads: what is tested is what is shipped.
export default defineConfig({
  root: import.meta.dirname,
  test: {
    include: ["**/*.test.ts"],
    // Nobody's own log-ins may change what a test sees.
    env: { DOCKER_CONFIG: "/nonexistent", DOCKER_AUTH_CONFIG: "" },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    server: { deps: { external: [/\/dist\//] } },
  },
});

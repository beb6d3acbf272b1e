// One host of a fleet as a process of its own: pulls an image into a data root
// with the mirrors and directories it is given, and prints the result.
import { createHosts } from "#src/hosts/index.js";
import { pull } from "#src/pull.js";

const { root, reference, mirrors, hostsDirs } = JSON.parse(process.argv[2]);
const hosts = createHosts({
  mirrors,
  hostsDirs,
  etc: "/nonexistent",
  daemonJson: false,
});
process.stdout.write(
  JSON.stringify(await pull(reference, { root, registry: { hosts } })),
);

// What the docker command line needs of a daemon to show JSON that a test made up.
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { requirePeer } from "./peers.js";
import { run, type RunResult } from "./run.js";

export interface FakeDocker {
  /** Runs `docker ARGS` with this daemon. */
  docker(args: readonly string[]): Promise<RunResult>;
  stop(): Promise<void>;
}

/**
 * A daemon on a socket in a folder: `GET /images/{name}/json` and
 * `/images/{name}/history` are answered with the given documents, whatever the
 * name.
 */
export async function startFakeDocker(
  folder: string,
  documents: { readonly json?: unknown; readonly history?: unknown },
): Promise<FakeDocker> {
  const server: Server = createServer(({ url = "" }, reply) => {
    reply.setHeader("Api-Version", "1.41");
    if (url.endsWith("/_ping")) {
      reply.end("OK");
      return;
    }
    const [, what] = /\/images\/[^/]+\/(json|history)/.exec(url) ?? [];
    const document =
      what === "json" || what === "history" ? documents[what] : undefined;
    reply.setHeader("Content-Type", "application/json");
    if (document === undefined) reply.statusCode = 404;
    reply.end(JSON.stringify(document ?? { message: `no ${url} here` }));
  });
  const socket = join(folder, "docker.sock");
  await new Promise<void>((ready) => server.listen(socket, ready));
  const client = requirePeer("docker");
  return {
    docker: (args) =>
      run(client, ["--host", `unix://${socket}`, ...args], {
        env: { TZ: "UTC", DOCKER_CONFIG: folder },
      }),
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

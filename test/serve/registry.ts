/** A served registry with a client that sends request targets as they are written. */
import { Client } from "undici";
import type { Content } from "#src/serve/content.js";
import { startRegistryServer } from "#src/serve/server.js";
import type { RegistryServerOptions } from "#src/serve/server.js";

export interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export interface TestRegistry {
  readonly host: string;
  readonly url: string;
  send(
    method: string,
    target: string,
    headers?: Record<string, string>,
  ): Promise<Reply>;
  close(): Promise<void>;
}

export async function serve(
  content: Content,
  options: Partial<RegistryServerOptions> = {},
): Promise<TestRegistry> {
  const server = await startRegistryServer({ content, ...options });
  const client = new Client(server.url);
  return {
    host: server.host,
    url: server.url,
    async send(method, path, headers = {}) {
      const reply = await client.request({ method, path, headers });
      const body = Buffer.from(await reply.body.arrayBuffer());
      return { status: reply.statusCode, headers: reply.headers, body };
    },
    async close() {
      await client.close();
      await server.close();
    },
  };
}

/** The one error in a reply's body. */
export function errorOf(reply: Reply): { code: string; message: string } {
  const { errors } = JSON.parse(reply.body.toString()) as {
    errors: { code: string; message: string }[];
  };
  const [error] = errors;
  if (error === undefined || errors.length > 1) {
    throw new Error(`not one error: ${reply.body.toString()}`);
  }
  return error;
}

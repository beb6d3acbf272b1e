/** Asking a proxy for a connection to somebody else (RFC 9110, 9.3.6). */
import { request } from "node:http";
import type { Socket } from "node:net";
import { ProxyFailure } from "./proxy-errors.js";
import type { Proxy } from "./proxy-settings.js";

/**
 * Sends CONNECT over a fresh connection to the proxy; once this resolves, the
 * socket leads to the target. Sets no time limit.
 * @throws ProxyFailure when the proxy refuses, with what it answered; Node's
 *   errors when the connection breaks or the answer is not HTTP
 */
export function openTunnel(
  socket: Socket,
  proxy: Proxy,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const { authorization } = proxy;
  return new Promise((resolve, reject) => {
    const asked = request({
      method: "CONNECT",
      path: target,
      headers: {
        host: target,
        ...(authorization === undefined
          ? {}
          : { "proxy-authorization": authorization }),
      },
      createConnection: () => socket,
    });
    asked.once("connect", (response, _socket, head) => {
      const { statusCode: status = 0, headers } = response;
      if (status >= 200 && status < 300) {
        // Nothing may come before the client has spoken; if it does, TLS will say so.
        if (head.length > 0) socket.unshift(head);
        resolve();
        return;
      }
      reject(
        new ProxyFailure(proxy.url, {
          target,
          answer: { status, headers, body: head },
          authorization,
        }),
      );
    });
    asked.once("error", reject);
    asked.end();
  });
}

/** URLs of a registry's API, and whether a port speaks TLS. */
import { randomBytes } from "node:crypto";
import { connect, type LookupFunction } from "node:net";
import type { Endpoint } from "./endpoint.js";

/**
 * The URL of something in a repository.
 * @param path `<repository>/<what>`, with a query perhaps
 */
export function apiUrl(endpoint: Endpoint, path: string): URL {
  const prefix = endpoint.base.pathname.replace(/(?<!\/)\/+$/, "");
  const root = endpoint.overridePath ? prefix : `${prefix}/v2`;
  const url = new URL(`${root}/${path}`, endpoint.base);
  // A mirror of several registries tells them apart by this (containerd's rule).
  if (!endpoint.origin) url.searchParams.set("ns", endpoint.registry);
  return url;
}

/**
 * Whether TLS is spoken there; `undefined` when nobody answers. Asked by a
 * greeting of our own: node's TLS takes 30 ms to get ready, which each pull
 * from a plain registry would pay. Whatever TLS answers, an alert too, is its;
 * certificates do not matter.
 * @param lookup instead of the system's resolver
 */
export function speaksTls(
  base: URL,
  timeoutMs: number,
  lookup?: LookupFunction,
): Promise<boolean | undefined> {
  const host = base.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(base.port) || 443,
      ...(lookup === undefined ? {} : { lookup }),
    });
    const finish = (answer: boolean | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    let connected = false;
    socket.once("connect", () => {
      connected = true;
      socket.write(clientHello());
    });
    let seen = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      seen = Buffer.concat([seen, bytes]);
      if (seen.length >= 2) finish(isTlsRecord(seen));
    });
    socket.on("error", () => finish(connected ? false : undefined));
    socket.once("close", () => finish(false));
  });
}

/** An alert or a handshake record (RFC 5246, 6.2.1), of any version that there is. */
function isTlsRecord([type, major]: Buffer): boolean {
  return (type === 0x15 || type === 0x16) && major === 3;
}

/**
 * A client's greeting of TLS 1.2 (RFC 5246, 7.4.1.2). Its extension of number
 * 10 is at the same time the end of a line, which is what an HTTP server waits
 * for before it says that this is no request.
 */
function clientHello(): Buffer {
  const u16 = (...values: number[]): Buffer =>
    Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
  const ofLength = (body: Buffer): Buffer =>
    Buffer.concat([u16(body.length), body]);
  const extension = (type: number, body: Buffer): Buffer =>
    Buffer.concat([u16(type), ofLength(ofLength(body))]);
  const extensions = Buffer.concat([
    // x25519, P-256; then ECDSA, PSS and RSA signatures with SHA-256.
    extension(10, u16(0x001d, 0x0017)),
    extension(13, u16(0x0403, 0x0804, 0x0401)),
  ]);
  const hello = Buffer.concat([
    u16(0x0303),
    randomBytes(32),
    Buffer.from([0]),
    // ECDHE with ECDSA and with RSA, AES-128-GCM and AES-256-GCM.
    ofLength(u16(0xc02b, 0xc02f, 0xc02c, 0xc030)),
    Buffer.from([1, 0]),
    ofLength(extensions),
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), ofLength(hello)]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), ofLength(handshake)]);
}

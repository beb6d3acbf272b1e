/**
 * A token server for a real docker-registry: it gives tokens signed with the
 * test key to those who have a password, and identity tokens to those who ask.
 */
import { sign } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { TEST_CERTIFICATE, TEST_KEY } from "./test-certificate.js";

const ISSUER = "test-issuer";
const SERVICE = "test-service";
const LIFE_SECONDS = 300;

export interface SignedTokens {
  /** The registry's `auth` section. */
  readonly auth: object;
  /** Method of each request, and how it proved who asks. */
  readonly asked: { method: string; by: string; scopes: string[] }[];
  stop(): Promise<void>;
}

export interface SignedTokensOptions {
  readonly user: string;
  readonly password: string;
  /** Given to who asks for one, and taken in exchange for tokens; none by default. */
  readonly identityToken?: string;
  /** File with the test certificate, for the registry. */
  readonly certificatePath: string;
}

/** Starts the server on a free loopback port. */
export async function signedTokens(
  options: SignedTokensOptions,
): Promise<SignedTokens> {
  const asked: SignedTokens["asked"] = [];
  const server = createServer((request, response) => {
    void answer(request, response, options, asked);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    auth: {
      token: {
        realm: `http://127.0.0.1:${port}/token`,
        service: SERVICE,
        issuer: ISSUER,
        rootcertbundle: options.certificatePath,
      },
    },
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: SignedTokensOptions,
  asked: SignedTokens["asked"],
): Promise<void> {
  const { user, password, identityToken } = options;
  const url = new URL(request.url ?? "/", "http://host");
  const form = new URLSearchParams(await text(request));
  const post = request.method === "POST";
  const scopes = (
    post
      ? (form.get("scope") ?? "")
      : url.searchParams.getAll("scope").join(" ")
  )
    .split(" ")
    .filter(Boolean);
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const by =
    request.headers.authorization === basic
      ? "password"
      : post && form.get("refresh_token") === identityToken
        ? "identity token"
        : "nobody";
  asked.push({ method: request.method ?? "", by, scopes });
  const reply =
    by === "nobody"
      ? { details: "no" }
      : {
          [post ? "access_token" : "token"]: signed(user, scopes),
          expires_in: LIFE_SECONDS,
          ...(url.searchParams.get("offline_token") === "true"
            ? { refresh_token: identityToken }
            : {}),
        };
  response.writeHead(by === "nobody" ? 401 : 200, {
    "content-type": "application/json",
  });
  response.end(JSON.stringify(reply));
}

/** A JSON web token as the registry reads it: the certificate comes along. */
function signed(user: string, scopes: readonly string[]): string {
  const now = Math.floor(Date.now() / 1000);
  const certificate = TEST_CERTIFICATE.replace(/-----[^-]+-----|\s/g, "");
  const parts = [
    { typ: "JWT", alg: "ES256", x5c: [certificate] },
    {
      iss: ISSUER,
      sub: user,
      aud: SERVICE,
      exp: now + LIFE_SECONDS,
      nbf: now - 10,
      iat: now,
      jti: String(Math.random()),
      access: scopes.map((scope) => {
        const [type, ...rest] = scope.split(":");
        const actions = (rest.pop() ?? "").split(",");
        return { type, name: rest.join(":"), actions };
      }),
    },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = sign("sha256", Buffer.from(parts.join(".")), {
    key: TEST_KEY,
    dsaEncoding: "ieee-p1363",
  });
  return [...parts, signature.toString("base64url")].join(".");
}

import { refusalError, type Refusal } from "#src/registry/errors.js";
import {
  redactUrl,
  scrub,
  secretsOf,
  serverWords,
} from "#src/registry/redact.js";
import { describe, expect, test } from "vitest";

const URL_ASKED = "https://registry.test/v2/team/app/manifests/1.0";

function refuse(
  status: number,
  body: unknown = "",
  changes: Partial<Refusal> = {},
) {
  return refusalError({
    method: "GET",
    url: new URL(URL_ASKED),
    redirected: false,
    status,
    headers: {},
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    subject: { kind: "manifest", name: "registry.test/team/app", item: "1.0" },
    identity: { credentials: false },
    secrets: [],
    now: 0,
    ...changes,
  });
}

const of = (code: string, message = "") => ({ errors: [{ code, message }] });

describe("codes", () => {
  const manifest = { kind: "manifest", name: "n", item: "1" } as const;
  const blob = { ...manifest, kind: "blob" } as const;
  const tags = { ...manifest, kind: "tags" } as const;
  const cases: [number, unknown, Refusal["subject"], string, boolean][] = [
    [401, "", manifest, "UNAUTHORIZED", false],
    [403, "", manifest, "DENIED", false],
    [404, "", manifest, "MANIFEST_UNKNOWN", false],
    [404, "", blob, "BLOB_UNKNOWN", false],
    [404, "", tags, "NAME_UNKNOWN", false],
    [404, of("NAME_UNKNOWN"), manifest, "NAME_UNKNOWN", false],
    [404, of("NAME_INVALID"), manifest, "NAME_UNKNOWN", false],
    [404, of("NOT_FOUND"), manifest, "MANIFEST_UNKNOWN", false],
    [404, of("BLOB_UNKNOWN"), blob, "BLOB_UNKNOWN", false],
    [401, of("DENIED"), manifest, "DENIED", false],
    [403, of("UNAUTHORIZED"), manifest, "UNAUTHORIZED", false],
    [429, of("DENIED"), manifest, "TOO_MANY_REQUESTS", true],
    [403, of("TOOMANYREQUESTS"), manifest, "TOO_MANY_REQUESTS", false],
    [400, of("UNSUPPORTED"), manifest, "REGISTRY_ERROR", false],
    [408, "", manifest, "REGISTRY_ERROR", true],
    [499, "", manifest, "REGISTRY_ERROR", true],
    [500, of("DENIED"), manifest, "REGISTRY_ERROR", true],
    [501, "", manifest, "REGISTRY_ERROR", false],
    [502, "<html>", manifest, "REGISTRY_ERROR", true],
    [503, "", manifest, "REGISTRY_ERROR", true],
    [504, "", manifest, "REGISTRY_ERROR", true],
    [522, "", manifest, "REGISTRY_ERROR", true],
    [302, "", manifest, "REGISTRY_ERROR", false],
  ];
  test.each(cases)("%i %j", (status, body, subject, code, retryable) => {
    expect(refuse(status, body, { subject })).toMatchObject({
      code,
      retryable,
      details: { status, host: "registry.test", method: "GET", url: URL_ASKED },
    });
  });
});

describe("words", () => {
  test("what was asked, what came back, whether anything was sent", () => {
    const error = refuse(401, of("UNAUTHORIZED", "authentication required"));
    expect(error.message).toBe(
      `registry.test/team/app: not found, or private. Sent no credentials. (GET ${URL_ASKED}: 401 UNAUTHORIZED: authentication required)`,
    );
    expect(error.details).toMatchObject({
      credentialsSent: false,
      errors: [{ code: "UNAUTHORIZED", message: "authentication required" }],
    });
  });

  test("for somebody who is known", () => {
    const identity = { credentials: true, user: "ann" };
    const error = refuse(403, of("DENIED", "no"), { identity });
    expect(error.message).toContain(
      "not found, or no right to pull. Sent the credentials of user ann.",
    );
  });

  test("for a password that is not taken", () => {
    const identity = { credentials: true, user: "ann" };
    const headers = { "www-authenticate": 'Basic realm="x"' };
    const error = refuse(401, of("UNAUTHORIZED", "no"), { identity, headers });
    expect(error.message).toContain(
      "the registry does not take the log-in. Sent the credentials of user ann.",
    );
    expect(error.hint).toContain("tpull login registry.test");
  });

  test.each([
    ["old registries", { details: "unauthorized: incorrect password" }],
    [
      "OAuth servers",
      {
        error: "invalid_grant",
        error_description: "unauthorized: incorrect password",
      },
    ],
    ["others", { message: "unauthorized: incorrect password" }],
  ])("as %s write them", (_name, body) => {
    expect(refuse(401, body).message).toContain(
      ": 401 unauthorized: incorrect password)",
    );
  });

  test("a page of a proxy", () => {
    const headers = { "content-type": "text/html" };
    const page =
      "<html><head><style>p{}</style></head>\n<body>\n<p>Access <b>denied</b></p>";
    const error = refuse(403, page, { headers });
    expect(error.code).toBe("NOT_A_REGISTRY");
    expect(error.message).toContain("403 a web page (text/html): Access");
    expect(refuse(502, page, { headers })).toMatchObject({
      code: "REGISTRY_ERROR",
      retryable: true,
    });
  });

  test("a sign-in page in place of the content, wherever it comes from", () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    const page = "<html><title>Hotel Wi-Fi</title></html>";
    expect(refuse(200, page, { headers })).toMatchObject({
      code: "NOT_A_REGISTRY",
      message: expect.stringMatching(
        /registry\.test does not answer like a registry .*200 a web page \(text\/html\): Hotel Wi-Fi\)$/,
      ),
      hint: expect.stringContaining("sign-in"),
    });
    const url = new URL("http://portal.test/login?token=hidden-word");
    const error = refuse(200, page, { headers, redirected: true, url });
    expect(error).toMatchObject({
      code: "NOT_A_REGISTRY",
      message: expect.stringContaining("redirects to portal.test"),
    });
    expect(JSON.stringify(error)).not.toContain("hidden-word");
    expect(refuse(511, page, { headers })).toMatchObject({
      code: "NOT_A_REGISTRY",
      retryable: false,
    });
  });

  test.each([
    "No required SSL certificate was sent",
    "The SSL certificate error",
  ])("of nginx: %s", (title) => {
    const page = `<html><head><title>400 ${title}</title></head></html>`;
    expect(
      refuse(400, page, { headers: { "content-type": "text/html" } }),
    ).toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining(title),
      hint: expect.stringContaining("certs.d/registry.test/ as client.cert"),
      details: { status: 400 },
    });
  });

  test("a storage service's XML: code and message, nothing else of it", () => {
    const error = refuse(
      403,
      '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message><StringToSign>AWS4 secret</StringToSign></Error>',
      {
        redirected: true,
        url: new URL("https://storage.test/blob?X-Amz-Signature=abcdef0123"),
        headers: { "content-type": "application/xml" },
      },
    );
    expect(error.message).toContain("AccessDenied: Request has expired");
    expect(error.message).toContain(
      "storage.test, to where the registry redirects, does not give out 1.0",
    );
    expect(JSON.stringify(error)).not.toMatch(/StringToSign|AWS4|abcdef0123/);
  });

  test.each([
    [
      "text",
      "text/plain; charset=utf-8",
      "first line\nsecond",
      ": 404 first line)",
    ],
    [
      "text without a type",
      undefined,
      "\n\n first line \n",
      ": 404 first line)",
    ],
    ["bytes", "application/octet-stream", "\u0000\u0001", ": 404)"],
    ["nothing", undefined, "", ": 404)"],
  ])("%s", (_name, type, body, end) => {
    const headers = type === undefined ? {} : { "content-type": type };
    expect(refuse(404, body, { headers }).message.endsWith(end)).toBe(true);
  });

  test("long, many and hostile words are tamed", () => {
    const errors = Array.from({ length: 50 }, (_, at) => ({
      code: `CODE${at}`,
      message: `\u001b[2J\r\n${"x".repeat(5000)}`,
      detail: { deep: "y".repeat(5000) },
    }));
    const { message, details } = refuse(400, { errors });
    expect(message.length).toBeLessThan(2500);
    // oxlint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    expect(JSON.stringify(details).length).toBeLessThan(5000);
  });

  test.each([{ errors: "x" }, { errors: [null, 5, {}] }, [], null, 7, "{"])(
    "a body like %j",
    (body) => {
      expect(refuse(404, body).code).toBe("MANIFEST_UNKNOWN");
    },
  );

  test("a server that repeats what it was sent does not give it away", () => {
    const url = new URL(
      "https://u:pass%20word@registry.test/x?token=query-secret&ns=docker.io",
    );
    const secrets = secretsOf(url, "Bearer header-secret");
    const body = of(
      "DENIED",
      "you sent header-secret and query-secret, pass%20word",
    );
    const told = JSON.stringify(refuse(403, body, { url, secrets }));
    expect(told).not.toMatch(/header-secret|query-secret|pass%20word/);
    expect(told).toContain("ns=docker.io");
    expect(told).toContain("REDACTED");
  });
});

test.each([
  [
    "https://u:p@h.test:8443/a/b?x=1&ns=docker.io&x=2#f",
    "https://h.test:8443/a/b?x=REDACTED&ns=docker.io",
  ],
  ["http://h.test/", "http://h.test/"],
  ["https://h.test/a?sig-0123&exp=1", "https://h.test/a?REDACTED&exp=REDACTED"],
  ["https://h.test/a?ns=r%3A5000&", "https://h.test/a?ns=r%3A5000&"],
])("%s is shown as %s", (url, shown) => {
  expect(redactUrl(new URL(url))).toBe(shown);
});

test("a secret is found however JSON writes it", () => {
  const secret = "se/cret+word";
  const body = (written: string): string =>
    `{"errors":[{"code":"${written}","message":"${written}","detail":"${written}"}]}`;
  for (const written of ["se\\/cret+word", "se/cret\\u002bword"]) {
    const error = refuse(403, body(written), { secrets: [secret] });
    const told = JSON.stringify([error, error.message]);
    expect(told).not.toContain("word");
    expect(told).toContain("REDACTED: REDACTED");
  }
});

test("words of a server fit on one line", () => {
  expect(serverWords(" a\n\tb\u0007\u202Ec\u2028d ")).toBe("a b c d");
  expect(serverWords("x".repeat(300), 10)).toBe(`${"x".repeat(10)}…`);
  expect(serverWords("Grüße 世界")).toBe("Grüße 世界");
});

test("short strings are not secrets: they would blank out ordinary words", () => {
  expect(secretsOf(new URL("https://h.test/?n=1000"), "Basic abc")).toEqual([]);
  expect(scrub("aXbX", ["X"])).toBe("aREDACTEDbREDACTED");
});

describe("a page or a body made to keep us busy", () => {
  const fill = (part: string): string =>
    part.repeat(Math.floor(65_536 / part.length));
  test.each([
    fill("<"),
    fill("<title"),
    fill("<title>"),
    fill("<script "),
    fill("<script>"),
    `${fill("<style>").slice(0, 32_768)}</style${" ".repeat(32_000)}`,
  ])("is read in one go: %.12s…", (page) => {
    const began = performance.now();
    refuse(403, page, { headers: { "content-type": "text/html" } });
    expect(performance.now() - began).toBeLessThan(250);
  });

  test("is told, however deep its detail nests", () => {
    const detail = "[".repeat(30_000) + "]".repeat(30_000);
    const body = `{"errors":[{"code":"DENIED","message":"no","detail":${detail}}]}`;
    const { code, message } = refuse(403, body);
    expect(code).toBe("DENIED");
    expect(message).toContain("403 DENIED: no");
  });
});

describe("too many requests", () => {
  test.each([
    [{}, "Try again later; accounts often have a higher limit."],
    [
      { "retry-after": "30" },
      "Try again in 30 s; accounts often have a higher limit.",
    ],
    [
      {
        "retry-after": "4000",
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "0;w=21600",
      },
      "Try again in 67 min; 100 pulls in 6 h are allowed, accounts often have a higher limit.",
    ],
    [
      { "ratelimit-limit": "100", "ratelimit-remaining": "0" },
      "Try again later; 100 pulls are allowed, accounts often have a higher limit.",
    ],
  ])("%j: %s", (headers, hint) => {
    expect(refuse(429, "", { headers }).hint).toBe(hint);
  });
});

import {
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
} from "#store/reference/reference.js";
import { isTpullError, type TpullError } from "#store/errors.js";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";

const HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".repeat(2);
const SHA = `sha256:${HEX}`;

function refusal(text: unknown): TpullError {
  try {
    parseReference(text as string);
  } catch (error) {
    if (isTpullError(error)) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(text)}`);
}

describe("what is read", () => {
  // text, registry, repository, tag, digest
  test.each<[string, string, string, (string | undefined)?, string?]>([
    // Docker Hub, with more and more written out
    ["nginx", "docker.io", "library/nginx", "latest"],
    ["nginx:1.27", "docker.io", "library/nginx", "1.27"],
    ["library/nginx", "docker.io", "library/nginx", "latest"],
    ["docker.io/nginx", "docker.io", "library/nginx", "latest"],
    ["docker.io/library/nginx:x", "docker.io", "library/nginx", "x"],
    ["index.docker.io/nginx", "docker.io", "library/nginx", "latest"],
    ["index.docker.io/u/app", "docker.io", "u/app", "latest"],
    ["u/app", "docker.io", "u/app", "latest"],
    ["library/a/b", "docker.io", "library/a/b", "latest"],
    ["a/b/c/d/e", "docker.io", "a/b/c/d/e", "latest"],
    // the first part is a host only when it has ".", ":" or upper case, or is localhost
    ["localhost/x", "localhost", "x", "latest"],
    ["localhost/a/b:t", "localhost", "a/b", "t"],
    ["localhosts/x", "docker.io", "localhosts/x", "latest"],
    ["ghcr.io/o/app", "ghcr.io", "o/app", "latest"],
    ["ghcr.io/app", "ghcr.io", "app", "latest"],
    ["registry:5000/app", "registry:5000", "app", "latest"],
    ["my-registry:80/app:80", "my-registry:80", "app", "80"],
    ["INTRANET/app", "INTRANET", "app", "latest"],
    ["Registry.Example.COM/app", "Registry.Example.COM", "app", "latest"],
    ["DOCKER.IO/nginx", "DOCKER.IO", "nginx", "latest"],
    ["docker.io:443/nginx", "docker.io:443", "nginx", "latest"],
    ["my_registry/app", "docker.io", "my_registry/app", "latest"],
    ["127.0.0.1:5701/tp/kitchen", "127.0.0.1:5701", "tp/kitchen", "latest"],
    ["10.1/x", "10.1", "x", "latest"],
    ["xn--n3h.com/x", "xn--n3h.com", "x", "latest"],
    ["a--b.com/x", "a--b.com", "x", "latest"],
    ["h.example:1/x", "h.example:1", "x", "latest"],
    ["h.example:65535/x", "h.example:65535", "x", "latest"],
    ["[::1]/x", "[::1]", "x", "latest"],
    ["[::1]:5000/x/y:t", "[::1]:5000", "x/y", "t"],
    ["[2001:DB8::a]:5000/x", "[2001:DB8::a]:5000", "x", "latest"],
    ["[2001:db8:1:2:3:4:5:6]/x", "[2001:db8:1:2:3:4:5:6]", "x", "latest"],
    // without a slash there is no host
    ["localhost", "docker.io", "library/localhost", "latest"],
    ["localhost:5000", "docker.io", "library/localhost", "5000"],
    ["example.com", "docker.io", "library/example.com", "latest"],
    ["192.168.0.1:80", "docker.io", "library/192.168.0.1", "80"],
    [`localhost@${SHA}`, "docker.io", "library/localhost", undefined, SHA],
    // a dot or colon further back makes no host
    ["u/a.b", "docker.io", "u/a.b", "latest"],
    ["u/app:1.2", "docker.io", "u/app", "1.2"],
    // separators between letters and digits
    ["a.b_c__d-e--f---g", "docker.io", "library/a.b_c__d-e--f---g", "latest"],
    ["0/1", "docker.io", "0/1", "latest"],
    ["x/y.z/w__v/u-t", "docker.io", "x/y.z/w__v/u-t", "latest"],
    // tags
    ["nginx:_", "docker.io", "library/nginx", "_"],
    ["nginx:A", "docker.io", "library/nginx", "A"],
    ["nginx:1..2--3__", "docker.io", "library/nginx", "1..2--3__"],
    ["nginx:latest", "docker.io", "library/nginx", "latest"],
    [`nginx:${HEX}`, "docker.io", "library/nginx", HEX],
    [`nginx:${"t".repeat(128)}`, "docker.io", "library/nginx", "t".repeat(128)],
    // digests
    [`nginx@${SHA}`, "docker.io", "library/nginx", undefined, SHA],
    [`nginx:1@${SHA}`, "docker.io", "library/nginx", "1", SHA],
    [`h:1/a/b:t@${SHA}`, "h:1", "a/b", "t", SHA],
    // 64 hex digits are fine once they are not the whole text
    [`${HEX}:t`, "docker.io", `library/${HEX}`, "t"],
    [`docker.io/${HEX}`, "docker.io", `library/${HEX}`, "latest"],
    [`u/${HEX}`, "docker.io", `u/${HEX}`, "latest"],
    [HEX.slice(1), "docker.io", `library/${HEX.slice(1)}`, "latest"],
    [`${HEX}0`, "docker.io", `library/${HEX}0`, "latest"],
    // only the Hub's own scratch and sha256 are reserved, and no other algorithm
    ["u/scratch", "docker.io", "u/scratch", "latest"],
    ["ghcr.io/scratch", "ghcr.io", "scratch", "latest"],
    ["ghcr.io/sha256:x", "ghcr.io", "sha256", "x"],
    ["sha512:x", "docker.io", "library/sha512", "x"],
    // names that objects have, too
    ["constructor", "docker.io", "library/constructor", "latest"],
    ["hasownproperty/x", "docker.io", "hasownproperty/x", "latest"],
  ])("%s", (text, registry, repository, tag, digest) => {
    expect(parseReference(text)).toStrictEqual({
      registry,
      repository,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    });
  });

  it("counts 255 characters of the path, library/ included and the host not", () => {
    const hub = "x".repeat(255 - "library/".length);
    expect(parseReference(hub).repository).toHaveLength(255);
    expect(refusal(`${hub}x`).message).toContain("256 characters long");
    const elsewhere = `h.example/${"x/".repeat(127)}x`;
    expect(parseReference(elsewhere).repository).toHaveLength(255);
    expect(refusal(`${elsewhere}x`).message).toContain("256 characters long");
  });

  it("returns objects that nobody can change", () => {
    const reference = parseReference("nginx");
    expect(Object.isFrozen(reference)).toBe(true);
    expect(() => {
      (reference as { tag: string }).tag = "other";
    }).toThrow(TypeError);
  });
});

describe("what is refused", () => {
  // text, what the message must say, what the hint must say
  test.each<[string, RegExp, RegExp?]>([
    ["", /it is empty/, /\[host\/\]repository/],
    [" ", /a space at position 1/],
    [" nginx", /a space at position 1 /],
    ["nginx ", /a space at position 6 /],
    ["nginx latest", /a space at position 6/],
    ["nginx\t", /a tab/],
    ["nginx\n", /a line break/],
    ["nginx:1\r\n", /a line break/],
    ["nginx\0", /U\+0000/],
    ["nginx\u001b[31m", /U\+001B/],
    ["nginx\u007f", /U\+007F/],
    ["nginx\u009b", /U\+009B/],
    ["ngi\u00adnx", /U\+00AD/],
    ["\u202enginx", /U\+202E/],
    ["ngіnx", /U\+0456 at position 3/],
    ["caf\u00e9/x", /U\+00E9/],
    ["🐳", /U\+1F433/],
    ["\ud800", /U\+D800/],
    ["nginx,redis", /"," at position 6/],
    ["a+b", /"\+"/],
    ["C:\\images\\x", /"\\"/],
    ["~/x", /"~"/],
    ["nginx:$TAG", /"\$"/],
    ["[fe80::1%eth0]/x", /"%"/],
    // schemes
    ["http://nginx", /starts with "http:\/\/"/, /"nginx"/],
    ["HTTPS://ghcr.io/o/a:1", /"HTTPS:\/\/"/, /"ghcr.io\/o\/a:1"/],
    ["docker://busybox:1", /"docker:\/\/"/, /"busybox:1"/],
    ["oci+x.y-z://a", /"oci\+x.y-z:\/\/"/],
    ["://nginx", /"\/\/"/],
    // slashes
    ["/nginx", /path of a file/],
    ["/", /path of a file/],
    ["./nginx", /path of a file/],
    ["../nginx", /path of a file/],
    ["nginx/", /ends with "\/"/],
    ["u/app/", /ends with "\/"/],
    ["u/:t", /ends with "\/"/],
    ["u//app", /"\/\/"/],
    ["ghcr.io//app", /"\/\/"/],
    // no repository
    [":tag", /no repository stands before the ":"/],
    [":", /no repository stands before the ":"/],
    [`@${SHA}`, /no repository stands before the "@"/],
    [`:t@${SHA}`, /no repository stands before the ":"/],
    ["localhost/", /no repository follows the registry host "localhost"/],
    ["localhost:5000/", /no repository follows .*"localhost:5000"/],
    ["ghcr.io/", /no repository follows .*"ghcr.io"/],
    ["ghcr.io/:t", /no repository follows/],
    [`ghcr.io/@${SHA}`, /no repository follows/],
    ["[::1]", /no repository follows/],
    ["[::1]:5000", /no repository follows/],
    ["[fc00::1]:tag", /no repository follows/],
    // hosts
    ["foo_bar.com/x", /"foo_bar.com" is read as a registry host.*no "_"/],
    ["bad_host:80/x", /"bad_host:80".*no "_"/],
    ["Foo_bar/x", /no "_"/, /"foo_bar"/],
    ["a..b/c", /two in a row/],
    [".a/c", /begins or ends with "\."/],
    ["a./c", /begins or ends with "\."/],
    ["-a.b/c", /"-a" begins or ends with "-"/],
    ["a-.b/c", /"a-" begins or ends with "-"/],
    ["-A/c", /"-A" begins or ends with "-"/],
    [":5000/x", /no name/],
    ["localhost:/x", /port "" is not a number/],
    ["host:http/x", /port "http" is not a number/],
    ["nginx:feature/x", /port "feature" is not a number/, /tag comes last/],
    ["host:-1/x", /port "-1" is not a number/],
    ["host:0/x", /not between 1 and 65535/],
    ["host:65536/x", /not between 1 and 65535/],
    [`host:${"9".repeat(400)}/x`, /not between 1 and 65535/],
    ["a:1:2/x", /more than one ":"/, /brackets/],
    ["fc00::1:5000/x", /more than one ":"/, /brackets/],
    ["[]/x", /"" is not an IPv6 address/],
    ["[::::]/x", /not an IPv6 address/],
    ["[fd00123123123]:80/x", /not an IPv6 address/],
    ["[::ffff:1.2.3.4]/x", /not an IPv6 address/],
    ["[1.2.3.4]/x", /not an IPv6 address/],
    ["[example]/x", /not an IPv6 address/],
    ["[::1]5000/x", /brackets do not enclose/],
    ["[::1]::80/x", /port ":80" is not a number/],
    ["[::1/x", /brackets do not enclose/],
    ["a[b]/x", /brackets do not enclose/],
    ["999.1.1.1/x", /neither a name nor an address/],
    [`${"a.".repeat(127)}a/x`, /255 characters long/],
    // repositories
    ["Nginx", /must be lower case/, /"nginx"/],
    ["NGINX:1", /must be lower case/, /"nginx"/],
    ["docker/Docker", /must be lower case/, /"docker\/docker"/],
    ["MyOrg/MyApp", /must be lower case/, /"myorg\/myapp"/],
    ["Ghcr.io/o/App", /must be lower case/, /"Ghcr.io\/o\/app"/],
    [`ghcr.io/App@${SHA}`, /must be lower case/, /"ghcr.io\/app"/],
    ["-nginx", /"-nginx" .* begins with "-"/],
    ["nginx-", /ends with "-"/],
    ["_nginx", /begins with "_"/],
    ["nginx_", /ends with "_"/],
    [".nginx", /begins with "\."/],
    ["nginx.", /ends with "\."/],
    ["__proto__", /begins with "_"/],
    ["a/b_/c", /"b_"/],
    ["a..b", /has "\.\."/],
    ["a___b", /has "___"/],
    ["a._b", /has "\._"/],
    ["a.-b", /has "\.-"/],
    ["a_-b", /has "_-"/],
    ["a-_b", /has "-_"/],
    ["a__-b", /has "__-"/],
    ["u/a..b", /has "\.\."/],
    ["u/../../etc", /begins with "\."/],
    ["a/[b]", /"\[b\]" .* has "\["/],
    ["x".repeat(300), /308 characters long/],
    [HEX, /64 hex digits/, /repository@sha256/],
    ["sha256:x", /name of the digest algorithm/],
    ["sha256", /name of the digest algorithm/],
    [SHA, /name of the digest algorithm/, /name@sha256:/],
    ["library/sha256:x", /name of the digest algorithm/],
    [`docker.io/sha256@${SHA}`, /name of the digest algorithm/],
    ["scratch", /reserved/],
    ["library/scratch:x", /reserved/],
    ["index.docker.io/scratch", /reserved/],
    // tags
    ["nginx:", /no tag follows/, /latest/],
    ["u/app:", /no tag follows/],
    [`nginx:@${SHA}`, /no tag follows/],
    ["nginx:.x", /tag "\.x" begins with "\."/],
    ["nginx:-x", /tag "-x" begins with "-"/],
    ["nginx:a:b", /tag "a:b" has ":"/],
    ["nginx::", /tag ":" has ":"/],
    ["ghcr.io/x:a/b", /tag "a\/b" has "\/"/],
    ["nginx:[x]", /tag "\[x\]" has "\["/],
    [`nginx:${"t".repeat(129)}`, /tag is 129 characters long.*128/],
    // digests
    ["nginx@", /no digest follows/],
    ["nginx:1@", /no digest follows/],
    ["nginx@abc", /"abc" is not a digest/],
    [`nginx@${HEX}`, /is not a digest/, /sha256: in front/],
    ["nginx@sha256", /"sha256" is not a digest/],
    ["nginx@sha256:", /0 hex digits instead of 64/],
    [`nginx@${SHA.slice(0, -1)}`, /63 hex digits instead of 64/],
    [`nginx@${SHA}0`, /65 hex digits instead of 64/],
    [`nginx@sha512:${HEX}`, /64 hex digits instead of 128/],
    [`nginx@sha384:${HEX}`, /64 hex digits instead of 96/],
    [`nginx@sha256:${"g".repeat(64)}`, /not hex digits/],
    [`nginx@sha256:${HEX}:x`, /not hex digits/],
    [`nginx@${SHA.toUpperCase()}`, /must be lower case/, /Write sha256:0f1e/],
    [`nginx@sha256:${HEX.toUpperCase()}`, /must be lower case/],
    [`nginx:1@SHA256:${HEX}`, /must be lower case/],
    [`nginx@md5:${HEX.slice(32)}`, /"md5" is not a known digest algorithm/],
    [`nginx@sha1:${HEX}`, /"sha1" is not a known digest algorithm/],
    [`nginx@blake3:${HEX}`, /"blake3" is not a known/],
    [`nginx@other:${HEX}`, /"other" is not a known/],
    [`nginx@constructor:${HEX}`, /"constructor" is not a known/],
    [`nginx@:${HEX}`, /not a digest/],
    [`nginx@${SHA}@${SHA}`, /more than one "@"/],
    [`nginx@@${SHA}`, /more than one "@"/],
    [`nginx@${SHA}:t`, /not hex digits/],
    [`nginx@${SHA}/x`, /not a digest/],
    ["nginx@latest", /not a digest/],
  ])("%j", (text, message, hint) => {
    const error = refusal(text);
    expect(error.code).toBe("REFERENCE_INVALID");
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(/^invalid reference "/);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint ?? /./);
  });

  test.each([
    `nginx@sha512:${HEX}${HEX}`,
    `ghcr.io/o/app:1@sha512:${HEX}${HEX}`,
    `nginx@sha384:${HEX}${HEX.slice(32)}`,
  ])("%s, which is a digest that cannot be stored", (text) => {
    const error = refusal(text);
    expect(error.code).toBe("DIGEST_UNSUPPORTED");
    expect(error.message).toContain("is not a sha256 digest");
  });

  it("names what is wrong before it complains of sha512", () => {
    const error = refusal(`Nginx@sha512:${HEX}${HEX}`);
    expect(error.code).toBe("REFERENCE_INVALID");
  });

  test.each([undefined, null, 7, {}, ["nginx"], Object.create(null)])(
    "%o, which is no string",
    (value) => {
      const error = refusal(value);
      expect(error.code).toBe("REFERENCE_INVALID");
      expect(error.message).toMatch(/is a string, not/);
    },
  );

  it("is told about briefly, however long it is", () => {
    for (const text of [
      "a".repeat(1_000_000),
      `${"a.".repeat(500_000)}/x`,
      `nginx:${"-".repeat(1_000_000)}`,
      `nginx@sha256:${"x".repeat(1_000_000)}`,
      `${"-".repeat(1_000_000)}/x`,
      "a/".repeat(500_000),
      "\n".repeat(1_000_000),
    ]) {
      const { message, hint } = refusal(text);
      expect(message.length).toBeLessThan(800);
      expect(hint?.length ?? 0).toBeLessThan(400);
    }
  });
});

describe("what a message does not give away", () => {
  test.each([
    "user:hunter2@ghcr.io/o/app",
    "https://user:hunter2@ghcr.io/o/app:1",
    "hunter2@ghcr.io/o/app",
    "user:hunter2@ghcr.io:5000",
    "user:hunter2@localhost",
    "user:x/hunter2@ghcr.io/app",
    "user:hun@hunter2@ghcr.io/app",
    "user:hunter2?x@ghcr.io/app",
    "user:?hunter2@ghcr.io/app",
    "user:hunter2 @ghcr.io/app",
    "ghcr.io/o/app?token=hunter2",
    "https://ghcr.io/o/app?a=hunter2&b=hunter2",
    "ghcr.io/o/app:t?token=hunter2",
    "ghcr.io/o/app?x=hunter2@y.z/w",
    "ghcr.io/o/app?x=y@hunter2.z/w",
  ])("%s", (text) => {
    const error = refusal(text);
    expect(error.message).toContain("***");
    expect(JSON.stringify(error)).not.toContain("hunter2");
    expect(String(error.stack)).not.toContain("hunter2");
  });
});

describe("what a reference is called", () => {
  // text, canonicalName, canonicalRepository, familiarName, familiarRepository
  test.each([
    [
      "nginx",
      "docker.io/library/nginx:latest",
      "docker.io/library/nginx",
      "nginx:latest",
      "nginx",
    ],
    [
      "index.docker.io/u/x:1",
      "docker.io/u/x:1",
      "docker.io/u/x",
      "u/x:1",
      "u/x",
    ],
    [
      `nginx@${SHA}`,
      `docker.io/library/nginx@${SHA}`,
      "docker.io/library/nginx",
      `nginx@${SHA}`,
      "nginx",
    ],
    [
      `nginx:1.27@${SHA}`,
      `docker.io/library/nginx:1.27@${SHA}`,
      "docker.io/library/nginx",
      `nginx@${SHA}`,
      "nginx",
    ],
    [
      "library/a/b",
      "docker.io/library/a/b:latest",
      "docker.io/library/a/b",
      "library/a/b:latest",
      "library/a/b",
    ],
    [
      "127.0.0.1:5701/tp/kitchen:s",
      "127.0.0.1:5701/tp/kitchen:s",
      "127.0.0.1:5701/tp/kitchen",
      "127.0.0.1:5701/tp/kitchen:s",
      "127.0.0.1:5701/tp/kitchen",
    ],
    [
      "ghcr.io/library/x",
      "ghcr.io/library/x:latest",
      "ghcr.io/library/x",
      "ghcr.io/library/x:latest",
      "ghcr.io/library/x",
    ],
    [
      "[::1]:80/x",
      "[::1]:80/x:latest",
      "[::1]:80/x",
      "[::1]:80/x:latest",
      "[::1]:80/x",
    ],
    [
      "localhost:5000",
      "docker.io/library/localhost:5000",
      "docker.io/library/localhost",
      "localhost:5000",
      "localhost",
    ],
  ])("%s", (text, name, repository, shortName, shortRepository) => {
    const reference = parseReference(text);
    expect(canonicalName(reference)).toBe(name);
    expect(canonicalRepository(reference)).toBe(repository);
    expect(familiarName(reference)).toBe(shortName);
    expect(familiarRepository(reference)).toBe(shortRepository);
  });
});

describe("properties", () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
  const component = fc
    .tuple(
      word,
      fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "----"), word), {
        maxLength: 2,
      }),
    )
    .map(([first, rest]) => first + rest.flat().join(""));
  const path = fc
    .array(component, { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join("/"));
  const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,5}[a-z0-9])?$/);
  const port = fc.integer({ min: 1, max: 65_535 }).map(String);
  const host = fc.oneof(
    fc.constantFrom("localhost", "docker.io", "index.docker.io", "[::1]"),
    fc.tuple(label, label).map((labels) => `${labels.join(".")}.example`),
    fc.tuple(label, port).map((parts) => parts.join(":")),
    fc.ipV4(),
  );
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
  const digest = fc.stringMatching(/^sha256:[0-9a-f]{64}$/);
  const optional = (arb: fc.Arbitrary<string>, mark: string) =>
    fc.option(arb, { nil: "" }).map((part) => (part === "" ? "" : mark + part));
  const name = fc.oneof(
    component,
    fc.tuple(word, path).map((parts) => parts.join("/")),
    fc.tuple(host, path).map((parts) => parts.join("/")),
  );
  const valid = fc
    .tuple(name, optional(tag, ":"), optional(digest, "@"))
    .map((parts) => parts.join(""))
    .filter((text) => !/(?:^|\/)(?:scratch|sha256)(?:[:@]|$)/.test(text));

  it("reads its own canonical name back", () => {
    fc.assert(
      fc.property(valid, (text) => {
        const reference = parseReference(text);
        const again = parseReference(canonicalName(reference));
        expect(again).toStrictEqual(reference);
      }),
    );
  });

  it("reads the familiar name as the same image", () => {
    fc.assert(
      fc.property(valid, (text) => {
        const reference = parseReference(text);
        // docker's familiar form is ambiguous for a Hub user named like a host.
        const [user = ""] = familiarRepository(reference).split("/");
        fc.pre(reference.registry !== "docker.io" || !user.includes("."));
        const again = parseReference(familiarName(reference));
        expect(canonicalRepository(again)).toBe(canonicalRepository(reference));
        expect(again.digest).toBe(reference.digest);
        expect(familiarName(again)).toBe(familiarName(reference));
      }),
    );
  });

  const pieces = fc.oneof(
    fc.constantFrom(
      ..."/ : @ . - _ __ // [ ] :: % ? # A Z a 0 é \0 \n".split(" "),
      "",
      " ",
      "docker.io",
      "localhost",
      "sha256:",
      HEX,
      SHA,
      "__proto__",
      "constructor",
      "http://",
    ),
    word,
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  const anything = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join("")),
  );

  it("answers any text with a reference in order or an error that is safe to print", () => {
    fc.assert(
      fc.property(anything, (text) => {
        let reference: Reference;
        try {
          reference = parseReference(text);
        } catch (error) {
          if (!isTpullError(error)) throw error;
          expect(["REFERENCE_INVALID", "DIGEST_UNSUPPORTED"]).toContain(
            error.code,
          );
          expect(error.message + error.hint).toMatch(/^[\x20-\x7e]+$/);
          return;
        }
        expect(parseReference(canonicalName(reference))).toStrictEqual(
          reference,
        );
        expect(canonicalName(reference)).toMatch(
          /^[\w.:[\]-]+(?:\/[a-z0-9._-]+)+(?::\w[\w.-]*)?(?:@sha256:[0-9a-f]{64})?$/,
        );
        expect(`/${reference.repository}/`).not.toMatch(/\/\.{0,2}\//);
        expect(new URL(`https://${reference.registry}/v2/`).pathname).toBe(
          "/v2/",
        );
      }),
      { numRuns: 3000 },
    );
  });
});

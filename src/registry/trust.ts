/**
 * Which certificates TLS connections go by: Node's own roots, this system's,
 * those that the user names, and the ones to show to a server that asks.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import * as tls from "node:tls";
import { TpullError } from "../../store/errors.js";
import type { ClientCertificate } from "./endpoint.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where distributions keep their bundle of roots; Go programs such as docker look in the same places. */
const BUNDLES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * The PEM certificates in a text, such as a bundle; what stands between them is
 * comment.
 * @param name what the text is, for the message
 * @throws TpullError `CA_INVALID` when there is none, or one that is damaged
 */
export function parseCertificates(text: string, name: string): string[] {
  const invalid = (what: string): TpullError =>
    new TpullError("CA_INVALID", `${name} ${what}`, {
      hint: "A file of trusted authorities holds PEM certificates, each between BEGIN CERTIFICATE and END CERTIFICATE.",
    });
  const found = text.match(PEM_CERTIFICATE) ?? [];
  if (found.length === 0) throw invalid("holds no certificate");
  for (const [at, pem] of found.entries()) {
    if (!isCertificate(pem)) {
      throw invalid(`holds a damaged certificate (number ${at + 1} in it)`);
    }
  }
  return found;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

/**
 * Reads a file of trusted authorities that the user named.
 * @throws TpullError `CA_INVALID` when it cannot be read or holds no certificate
 */
export function readCaFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TpullError(
      "CA_INVALID",
      `the file of trusted authorities ${path} cannot be read: ${code ?? String(cause)}`,
      { cause },
    );
  }
  return parseCertificates(text, path);
}

/**
 * The roots of this system: the distribution's bundle (or `SSL_CERT_FILE` in
 * its place), the folders of `SSL_CERT_DIR`, the file of `NODE_EXTRA_CA_CERTS`,
 * and whatever a newer Node knows of the system's key store. What cannot be
 * read counts as empty, as it does for other programs.
 */
export async function systemCertificates(env: Environment): Promise<string[]> {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = env;
  const texts = [
    SSL_CERT_FILE ? await readText(SSL_CERT_FILE) : await firstBundle(),
    NODE_EXTRA_CA_CERTS ? await readText(NODE_EXTRA_CA_CERTS) : "",
  ];
  for (const folder of (SSL_CERT_DIR ?? "").split(delimiter).filter(Boolean)) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) texts.push(await readText(join(folder, name)));
  }
  return [
    ...texts.flatMap((text) => text.match(PEM_CERTIFICATE) ?? []),
    ...nodesSystemStore(),
  ];
}

async function firstBundle(): Promise<string> {
  for (const path of BUNDLES) {
    const text = await readText(path);
    if (text !== "") return text;
  }
  return "";
}

function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** Node 22.15 and newer read the key stores of macOS and Windows. */
function nodesSystemStore(): readonly string[] {
  // On Linux that is the bundle again.
  if (process.platform === "linux") return [];
  const { getCACertificates } = tls as {
    getCACertificates?: (store: "system") => string[];
  };
  return getCACertificates?.("system") ?? [];
}

export interface TrustOptions {
  /** Whether the server's certificate is checked at all; without, no root is read. */
  readonly verify: boolean;
  /** PEM texts trusted beside the roots. */
  readonly ca: readonly string[];
  /** Of several for the same type of key (RSA, EC) the first is used. */
  readonly client: readonly ClientCertificate[];
  /** The system's roots; asked only when they are needed. */
  readonly system: () => Promise<readonly string[]>;
}

/**
 * Everything that TLS connections of one kind share; making it takes some 20 ms
 * when certificates are checked, so it is made once.
 * @throws TpullError `CA_INVALID`, `CLIENT_CERTIFICATE_INVALID`
 */
export async function createTrust(
  options: TrustOptions,
): Promise<tls.SecureContext> {
  const ca = options.ca.flatMap((text) =>
    parseCertificates(text, "the certificate of the trusted authority"),
  );
  const roots = options.verify
    ? distinct([...ca, ...tls.rootCertificates, ...(await options.system())])
    : undefined;
  const client = firstOfEachType(options.client);
  try {
    return tls.createSecureContext({
      ...(roots === undefined ? {} : { ca: roots }),
      ...(client.length === 0
        ? {}
        : {
            cert: client.map(({ cert }) => cert),
            key: client.map(({ key }) => key),
          }),
    });
  } catch (cause) {
    throw clientInvalid(cause);
  }
}

/** The same certificate once, however its lines are broken. */
function distinct(certificates: readonly string[]): string[] {
  const byContent = new Map<string, string>();
  for (const pem of certificates) {
    byContent.set(pem.replace(/-----[^-]*-----|\s/g, ""), pem);
  }
  return [...byContent.values()];
}

function firstOfEachType(
  pairs: readonly ClientCertificate[],
): ClientCertificate[] {
  const byType = new Map<string, ClientCertificate>();
  for (const pair of pairs) {
    let type: string | undefined;
    try {
      type = new X509Certificate(pair.cert).publicKey.asymmetricKeyType;
    } catch (cause) {
      throw clientInvalid(cause);
    }
    if (!byType.has(type ?? "")) byType.set(type ?? "", pair);
  }
  return [...byType.values()];
}

/** OpenSSL's words are about the format only; nothing of the key is in them. */
function clientInvalid(cause: unknown): TpullError {
  const { code = "" } = cause as NodeJS.ErrnoException;
  const why = /KEY_VALUES_MISMATCH/.test(code)
    ? "its certificate and its key do not belong together"
    : /PASSWORD|INTERRUPTED_OR_CANCELLED|BAD_DECRYPT/.test(code)
      ? "its key has a pass phrase"
      : `it cannot be read (${code})`;
  return new TpullError(
    "CLIENT_CERTIFICATE_INVALID",
    `the client certificate cannot be used: ${why}`,
    {
      hint: "A client certificate is a PEM certificate with its PEM key, without a pass phrase.",
      cause,
    },
  );
}

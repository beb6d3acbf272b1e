/** A certificate and its key, from files that a person names. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { TpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";

/** PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * Their texts, which belong together.
 * @throws TpullError `TLS_INVALID`, which says of which file what is wrong
 */
export async function readTls({
  certFile,
  keyFile,
}: TlsFiles): Promise<{ cert: string; key: string }> {
  const [cert, key] = [await readPem(certFile), await readPem(keyFile)];
  const certificate = orInvalid(certFile, "holds no certificate", () => {
    // The rest of a chain counts, too.
    createSecureContext({ cert });
    return new X509Certificate(cert);
  });
  const privateKey = orInvalid(keyFile, whatIsWrong(key), () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw invalid(
      keyFile,
      `holds a key that is not that of the certificate in ${printable(certFile)}`,
    );
  }
  orInvalid(certFile, "cannot be used for TLS", () =>
    createSecureContext({ cert, key }),
  );
  return { cert, key };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw invalid(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
}

function whatIsWrong(key: string): string {
  return /ENCRYPTED/.test(key)
    ? "holds a key with a passphrase, which nobody could type in"
    : "holds no private key";
}

function orInvalid<Value>(
  path: string,
  what: string,
  work: () => Value,
): Value {
  try {
    return work();
  } catch (cause) {
    // What OpenSSL calls it means something to few, and helps them.
    const { code } = cause as { code?: unknown };
    const name = typeof code === "string" ? ` (${code})` : "";
    throw invalid(path, `${what}${name}`, cause);
  }
}

function invalid(path: string, what: string, cause?: unknown): TpullError {
  return new TpullError("TLS_INVALID", `${printable(path)} ${what}`, {
    hint: "Both files are PEM; the key is the certificate's, and has no passphrase.",
    cause,
  });
}

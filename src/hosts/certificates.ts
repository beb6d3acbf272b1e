/** Certificate files: checked here, where it can be said which of them is wrong. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { printable } from "../../store/reference/printable.js";
import type { ClientCertificate } from "../registry/endpoint.js";
import { readBytes } from "./config-file.js";
import type { Report } from "./report.js";
import type { Certificates } from "./types.js";

const CERTIFICATE =
  /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** PEM certificates of authorities. @throws TpullError as the report has it */
export async function loadCa(
  files: readonly string[],
  report: Report,
): Promise<string[]> {
  const at = report.at("ca");
  const found = await Promise.all(
    files.map(async (file) => {
      const certificates = certificatesIn(await readBytes(file, at));
      if (certificates.length > 0) return certificates;
      throw at.fail(
        `${printable(file)} has no certificate in it`,
        "It has to be PEM: text that begins with -----BEGIN CERTIFICATE-----.",
      );
    }),
  );
  return found.flat();
}

/** Certificates with their keys. @throws TpullError as the report has it */
export async function loadClient(
  pairs: readonly (readonly [cert: string, key: string])[],
  report: Report,
): Promise<ClientCertificate[]> {
  return Promise.all(pairs.map((pair) => loadPair(pair, report.at("client"))));
}

async function loadPair(
  [certFile, keyFile]: readonly [cert: string, key: string],
  report: Report,
): Promise<ClientCertificate> {
  const [certBytes, keyBytes] = await Promise.all([
    readBytes(certFile, report),
    readBytes(keyFile, report),
  ]);
  const certificates = certificatesIn(certBytes);
  const [own] = certificates;
  if (own === undefined) {
    throw report.fail(`${printable(certFile)} has no certificate in it`);
  }
  const key = keyBytes.toString("latin1");
  let fits: boolean;
  try {
    fits = new X509Certificate(own).checkPrivateKey(createPrivateKey(key));
  } catch {
    // The reason would be OpenSSL's, which speaks of routines.
    throw report.fail(
      `${printable(keyFile)} has no private key in it that can be used`,
      "It has to be PEM and not encrypted.",
    );
  }
  if (!fits) {
    throw report.fail(
      `the key in ${printable(keyFile)} does not belong to the certificate in ${printable(certFile)}`,
    );
  }
  return { cert: certificates.join("\n"), key };
}

/**
 * Docker's rules for a folder of certificates: `*.crt` are authorities,
 * `*.cert` with a `*.key` of the same name are the client's own.
 * @param names what is in the folder
 * @throws TpullError as the report has it, also where one of a pair is missing
 */
export async function loadFolder(
  folder: string,
  names: readonly string[],
  report: Report,
): Promise<Certificates> {
  const pairs: [string, string][] = [];
  for (const [own, other, what] of [
    [".cert", ".key", "the key of the client certificate"],
    [".key", ".cert", "the client certificate of the key"],
  ] as const) {
    for (const name of withEnding(names, own)) {
      const missing = name.slice(0, -own.length) + other;
      if (!names.includes(missing)) {
        throw report.fail(
          `${printable(missing)}, ${what} ${printable(name)}, is missing`,
          own === ".cert"
            ? "Certificates of authorities must be named .crt."
            : undefined,
        );
      }
      if (own === ".cert")
        pairs.push([join(folder, name), join(folder, missing)]);
    }
  }
  const authorities = withEnding(names, ".crt").map((name) =>
    join(folder, name),
  );
  const [ca, client] = await Promise.all([
    loadCa(authorities, report),
    loadClient(pairs, report),
  ]);
  return {
    ...(ca.length === 0 ? {} : { ca }),
    ...(client.length === 0 ? {} : { client }),
  };
}

/** Whether a folder has anything for {@link loadFolder}. */
export function hasCertificates(names: readonly string[]): boolean {
  return [".crt", ".cert", ".key"].some(
    (ending) => withEnding(names, ending).length > 0,
  );
}

function withEnding(names: readonly string[], ending: string): string[] {
  return names.filter((name) => name.endsWith(ending)).toSorted();
}

/** The PEM blocks that are certificates; others in the file do not matter. */
function certificatesIn(bytes: Buffer): string[] {
  const blocks = bytes.toString("latin1").match(CERTIFICATE) ?? [];
  return blocks.filter((block) => {
    try {
      return new X509Certificate(block).raw.length > 0;
    } catch {
      return false;
    }
  });
}

/**
 * X.509 certificates made on the spot, with any names, dates and signers: what
 * servers show and clients present in tests. EC keys, so that it takes no time.
 */
import {
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from "node:crypto";
import { isIPv4 } from "node:net";

export interface TestCert {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface CertOptions {
  readonly name: string;
  /** DNS names and IPv4 addresses it is for. */
  readonly hosts?: readonly string[];
  /** Default: a year ago. */
  readonly from?: Date;
  /** Default: in a year. */
  readonly to?: Date;
  /** Who signs; default: itself. */
  readonly issuer?: Authority;
  readonly isAuthority?: boolean;
}

export interface Authority extends TestCert {
  readonly name: string;
  readonly signer: KeyObject;
}

const YEAR_MS = 365 * 24 * 3600 * 1000;
const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));

/** Makes an authority that signs for itself. */
export function makeAuthority(name: string): Authority {
  return make({ name, isAuthority: true });
}

/** Makes a certificate for a server or a client. */
export function makeCert(options: CertOptions): TestCert {
  return make(options);
}

function make(options: CertOptions): Authority {
  const { name, hosts = [], issuer, isAuthority = false } = options;
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
  });
  const serial = randomBytes(8);
  serial[0] = 0x01;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_SHA256,
    distinguishedName(issuer?.name ?? name),
    sequence(
      time(options.from ?? new Date(Date.now() - YEAR_MS)),
      time(options.to ?? new Date(Date.now() + YEAR_MS)),
    ),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(
      0xa3,
      sequence(
        extension("551d13", sequence(...(isAuthority ? [TRUE] : [])), true),
        ...(hosts.length === 0
          ? []
          : [extension("551d11", sequence(...hosts.map(alternativeName)))]),
      ),
    ),
  );
  const signer = issuer?.signer ?? privateKey;
  const signature = sign("sha256", body, signer);
  const der = sequence(body, ECDSA_SHA256, bitString(signature));
  return {
    name,
    signer: privateKey,
    cert: `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

// DER (X.690), as far as certificates need it.

const TRUE = Buffer.from([0x01, 0x01, 0xff]);

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function integer(value: Buffer): Buffer {
  return tagged(0x02, value);
}

function oid(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, "hex"));
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.from([0]), bytes);
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+|[-:T]/g, "");
  return tagged(0x18, Buffer.from(digits));
}

function distinguishedName(commonName: string): Buffer {
  const text = tagged(0x0c, Buffer.from(commonName));
  return sequence(tagged(0x31, sequence(oid("550403"), text)));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  const mark = critical ? [TRUE] : [];
  return sequence(oid(id), ...mark, tagged(0x04, value));
}

function alternativeName(host: string): Buffer {
  return isIPv4(host)
    ? tagged(0x87, Buffer.from(host.split(".").map(Number)))
    : tagged(0x82, Buffer.from(host));
}

/** What the connector adds to Node's errors, so that people are told how far an attempt had come. */
/** Code of an attempt that took too long; it looks like Node's. */
export const CONNECT_TIMEOUT = "CONNECT_TIMEOUT";

/** What was waited for: a name, a connection, a proxy's answer to CONNECT, a TLS handshake. */
export type ConnectStage = "connect" | "lookup" | "tls" | "tunnel";

/** Facts that an error of a connection attempt carries beside its code. */
export interface ConnectFailure {
  readonly stage?: ConnectStage;
  /** address:port of every address that was tried. */
  readonly tried?: readonly string[];
  /** What the server showed, where TLS failed over it. */
  readonly certificate?: ShownCertificate | undefined;
  /** Of an `AggregateError`: one for each address. */
  readonly errors?: readonly unknown[];
}

/** What a certificate says, in its own words. */
export interface ShownCertificate {
  /** Parts of the issuer's name, such as `["CN", "R3"]`. */
  readonly issuer: readonly (readonly [string, unknown])[];
  /** `DNS:a.test, IP Address:127.0.0.1` */
  readonly names: string;
  readonly validFrom: string;
  readonly validTo: string;
}

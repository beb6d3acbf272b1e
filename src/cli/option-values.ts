/** Reading the values of options: each reader takes the text and gives what it means, or says why it means nothing. */
import type { MirrorSetting } from "../network-settings.js";
import { parseListenAddress } from "../serve/listen-address.js";

/** The end of the sentence that begins with the option's name: `is a …, not "x"`. */
export class ValueProblem extends Error {}

/** @throws ValueProblem */
export type ValueReader<Value> = (text: string) => Value;

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1024],
  ["m", 1024 ** 2],
  ["g", 1024 ** 3],
]);

/** Bytes a second as curl reads them: `500k`, `1.5M`, powers of 1024. */
export const readRate: ValueReader<number> = (text) => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)([kmg]?)$/i.exec(text);
  const unit = BYTE_UNITS.get((match?.[2] ?? "").toLowerCase()) ?? 1;
  const rate = Math.floor(Number(match?.[1]) * unit);
  if (match === null || rate < 1 || !Number.isSafeInteger(rate)) {
    throw new ValueProblem(
      `is a number of bytes a second like 500k, 10m or 1.5M, not ${shown(text)}`,
    );
  }
  return rate;
};

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["m", 1e6],
  ["g", 1e9],
  ["t", 1e12],
]);

/** Bytes as docker writes them: `500MB`, `1.5GB`, powers of 1000. */
export const readSize: ValueReader<number> = (text) => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([kmgt]?)b?$/i.exec(text);
  const unit = SIZE_UNITS.get((match?.[2] ?? "").toLowerCase()) ?? 1;
  const size = Math.floor(Number(match?.[1]) * unit);
  if (match === null || !Number.isSafeInteger(size)) {
    throw new ValueProblem(
      `is a size like 500MB, 1.5GB or 0, not ${shown(text)}`,
    );
  }
  return size;
};

const MS_UNITS: ReadonlyMap<string, number> = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
/** What a timer of Node can wait. */
const LONGEST_MS = 500 * 3_600_000;

/** Milliseconds of `30s`, `10m`, `1h`, `1h30m`. */
export const readDuration: ValueReader<number> = (text) => {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,3})?)([smh])/g)];
  const whole = parts.map(([part]) => part).join("") === text;
  const milliseconds = parts.reduce(
    (sum, [, number, unit = ""]) =>
      sum + Number(number) * (MS_UNITS.get(unit) ?? 0),
    0,
  );
  if (!whole || milliseconds < 1) {
    throw new ValueProblem(
      `is a time like 30s, 10m, 1h or 1h30m, not ${shown(text)}`,
    );
  }
  if (milliseconds > LONGEST_MS) {
    throw new ValueProblem(`is at most 500h, not ${shown(text)}`);
  }
  return Math.round(milliseconds);
};

/** `a,b` → two platforms; `all` stands alone. What each one means is not looked at here. */
export const readPlatforms: ValueReader<readonly string[]> = (text) => {
  const platforms = text.split(",").map((platform) => platform.trim());
  if (platforms.includes("")) {
    throw new ValueProblem(
      `has a platform missing beside a comma: ${shown(text)}`,
    );
  }
  if (platforms.length > 1 && platforms.includes("all")) {
    throw new ValueProblem(`is all, or a list of platforms, not both`);
  }
  return [...new Set(platforms)];
};

/** A registry as references name it. */
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const NETWORK = /^[0-9A-Fa-f:.]+\/\d{1,3}$/;

/** `host[:port]`. */
export const readHost: ValueReader<string> = (text) => {
  if (!HOST.test(text)) throw new ValueProblem(notHost(text, ""));
  return text;
};

/** `host[:port]`, or a network like `10.0.0.0/8`. */
export const readHostOrNetwork: ValueReader<string> = (text) => {
  if (!HOST.test(text) && !NETWORK.test(text)) {
    throw new ValueProblem(notHost(text, " or a network like 10.0.0.0/8"));
  }
  return text;
};

function notHost(text: string, or: string): string {
  // A URL may carry a password.
  const seen = text.includes("@") ? "" : `, not ${shown(text)}`;
  return `is host[:port]${or}, without a scheme${seen}`;
}

/** `REGISTRY=URL`. */
export const readMirror: ValueReader<MirrorSetting> = (text) => {
  const at = text.indexOf("=");
  const registry = text.slice(0, Math.max(at, 0));
  const address = text.slice(at + 1);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (
    !HOST.test(registry) ||
    url === undefined ||
    !/^https?:$/.test(url.protocol)
  ) {
    throw new ValueProblem(
      "is REGISTRY=URL, like docker.io=https://mirror.example:5000",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new ValueProblem(
      "has a user or password in its URL; credentials are read from docker's configuration",
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw new ValueProblem("has a URL with a query or a fragment");
  }
  return { registry, url: url.href };
};

/** Where to listen; what it means is read again when it is used. */
export const readListenAddress: ValueReader<string> = (text) => {
  if (parseListenAddress(text) === undefined) {
    throw new ValueProblem(
      `is host:port, :port or unix:PATH, not ${shown(text)}`,
    );
  }
  return text;
};

function shown(text: string): string {
  return JSON.stringify(text);
}

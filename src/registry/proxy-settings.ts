/** Which proxy a URL is asked through, in the settings that curl, Go and docker share. */
import { TpullError } from "../../store/errors.js";
import { isLoopbackHost } from "./addresses.js";
import { basicAuthorization } from "./credentials.js";
import { parseNoProxy, type NoProxy } from "./no-proxy.js";

/** Proxies as their users write them: URLs, or host[:port] for one that speaks plain HTTP. */
export interface ProxySettings {
  /** For `http:` URLs. */
  readonly http?: string | undefined;
  /** For `https:` URLs. */
  readonly https?: string | undefined;
  /** For both, where they have none of their own. */
  readonly all?: string | undefined;
  /** Hosts that are asked directly, see {@link parseNoProxy}. */
  readonly no?: string | undefined;
}

/** A proxy as it is talked to. The same setting always gives the same object. */
export interface Proxy {
  /** Without user info. */
  readonly url: URL;
  /** `Proxy-Authorization`, for the proxy only. */
  readonly authorization: string | undefined;
}

/**
 * The settings of an environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
 * `NO_PROXY`, or the same in lower case. `HTTP_PROXY` is not taken where
 * `REQUEST_METHOD` is set: a web server's script gets a client's `Proxy:`
 * header under that name.
 */
export function proxyFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): ProxySettings {
  const read = (name: string): string | undefined =>
    [env[name], env[name.toLowerCase()]].find(Boolean);
  const isScript = Boolean(env["REQUEST_METHOD"]);
  return {
    http: isScript ? env["http_proxy"] || undefined : read("HTTP_PROXY"),
    https: read("HTTPS_PROXY"),
    all: read("ALL_PROXY"),
    no: read("NO_PROXY"),
  };
}

/** Chooses the proxy of each URL. */
export class ProxyRules {
  readonly #settings: ProxySettings;
  readonly #isDirect: NoProxy;
  readonly #known = new Map<string, Proxy>();

  constructor(settings: ProxySettings) {
    this.#settings = settings;
    this.#isDirect = parseNoProxy(settings.no ?? "");
  }

  /**
   * The proxy for a URL; `undefined` where it is asked directly, as this
   * machine always is.
   * @throws TpullError `PROXY_INVALID` when the setting cannot be used
   */
  for(url: URL): Proxy | undefined {
    const secure = url.protocol === "https:";
    const { http, https, all } = this.#settings;
    const setting = (secure ? https : http) || all;
    if (!setting || isLoopbackHost(url.hostname)) return undefined;
    const port = Number(url.port) || (secure ? 443 : 80);
    if (this.#isDirect(url.hostname, port)) return undefined;
    let proxy = this.#known.get(setting);
    if (proxy === undefined) {
      proxy = readProxy(setting, secure ? "HTTPS_PROXY" : "HTTP_PROXY");
      this.#known.set(setting, proxy);
    }
    return proxy;
  }
}

/** @param variable the name under which users know the setting */
function readProxy(setting: string, variable: string): Proxy {
  const invalid = (what: string): TpullError =>
    new TpullError("PROXY_INVALID", `the proxy of ${variable} ${what}`, {
      hint: `Set ${variable} (or ALL_PROXY) to http://HOST:PORT or https://HOST:PORT; hosts in NO_PROXY are asked without it.`,
    });
  const text = setting.trim();
  const whole = text.includes("://") ? text : `http://${text}`;
  // What is wrong with it is not shown: a password may be in there.
  if (!URL.canParse(whole)) throw invalid("is not a URL");
  const url = new URL(whole);
  if (url.protocol.startsWith("socks")) {
    throw invalid(
      `is a SOCKS proxy (${url.protocol}//), which tpull does not speak`,
    );
  }
  if (!/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw invalid(`is a ${url.protocol}// URL, not one of http:// or https://`);
  }
  const { username, password } = url;
  return {
    url: new URL(url.origin),
    authorization:
      username === "" && password === ""
        ? undefined
        : basicAuthorization(decoded(username), decoded(password)),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

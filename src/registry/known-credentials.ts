/** Who we are at each host and repository: asked of the source once, and remembered. */
import { isTpullError } from "../../store/errors.js";
import type { Credential, CredentialSource } from "./credentials.js";
import { ANONYMOUS, type Identity } from "./errors.js";

/** What the source says. */
export interface Known {
  readonly credential: Credential | undefined;
  /** Why there is none, where one was to be had. */
  readonly problem?: string;
}

export class KnownCredentials {
  readonly #source: CredentialSource | undefined;
  /** By host and repository. */
  readonly #known = new Map<string, Promise<Known>>();

  constructor(source: CredentialSource | undefined) {
    this.#source = source;
  }

  find(host: string, repository: string): Promise<Known> {
    const key = `${host}/${repository}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#ask(host, repository);
      this.#known.set(key, known);
    }
    return known;
  }

  /** In whose name a request without credentials was sent: nobody's, and why. */
  async anonymous(host: string, repository: string): Promise<Identity> {
    const { problem } = (await this.#known.get(`${host}/${repository}`)) ?? {};
    return problem === undefined ? ANONYMOUS : { ...ANONYMOUS, problem };
  }

  async #ask(host: string, repository: string): Promise<Known> {
    try {
      return { credential: await this.#source?.(host, repository) };
    } catch (error) {
      // Docker goes on without; what is public can be had all the same.
      if (!isTpullError(error) || error.code === "ABORTED") throw error;
      return { credential: undefined, problem: error.message };
    }
  }
}
